// Programs on Apache's Go client, of the same shape as those in ../java: go-client COMMAND key=value ...
// Each prints lines "event key=value ..." with percent-encoded values and exits with 0 when it came to an end of its own.
package main

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"github.com/apache/rocketmq-client-go/v2/rlog"
)

type options struct {
	values map[string]string
	asked  map[string]bool
}

func parse(args []string) *options {
	o := &options{map[string]string{}, map[string]bool{}}
	for _, arg := range args {
		key, value, found := strings.Cut(arg, "=")
		if !found {
			fail("expected key=value, found %s", arg)
		}
		o.values[key] = value
	}
	return o
}

func (o *options) text(key, byDefault string) string {
	o.asked[key] = true
	if value, found := o.values[key]; found {
		return value
	}
	return byDefault
}

func (o *options) need(key string) string {
	value := o.text(key, "")
	if value == "" {
		fail("option %s is required", key)
	}
	return value
}

func (o *options) number(key string, byDefault int) int {
	n, err := strconv.Atoi(o.text(key, strconv.Itoa(byDefault)))
	if err != nil {
		fail("option %s: %v", key, err)
	}
	return n
}

func (o *options) milliseconds(key string, byDefault int) time.Duration {
	return time.Duration(o.number(key, byDefault)) * time.Millisecond
}

// refuseUnused ends the program on a key that it does not have: a mistake of the test.
func (o *options) refuseUnused() {
	for key := range o.values {
		if !o.asked[key] {
			fail("this program has no option %s", key)
		}
	}
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

var printing sync.Mutex

func line(event string, pairs ...any) {
	var text strings.Builder
	text.WriteString(event)
	for i := 0; i < len(pairs); i += 2 {
		value := strings.ReplaceAll(url.QueryEscape(fmt.Sprint(pairs[i+1])), "+", "%20")
		fmt.Fprintf(&text, " %s=%s", pairs[i], value)
	}
	printing.Lock()
	defer printing.Unlock()
	fmt.Println(text.String())
}

// body is the id, then (when a size is asked for) a colon and filler drawn from the id, as in the Java programs.
func body(id string, sizeBytes int) []byte {
	b := []byte(id)
	if sizeBytes <= len(b) {
		return b
	}
	seed := int32(7)
	for _, c := range b {
		seed = seed*31 + int32(c)
	}
	b = append(b, ':')
	for len(b) < sizeBytes {
		seed = seed*1103515245 + 12345
		b = append(b, byte('0'+(uint32(seed)>>16)&63))
	}
	return b
}

func idOf(b []byte) string {
	id, _, _ := strings.Cut(string(b), ":")
	return id
}

func messages(o *options) []*primitive.Message {
	topic, prefix := o.need("topic"), o.need("prefix")
	tags := strings.Split(o.text("tags", ""), ",")
	keys := o.text("keys", "false") == "true"
	level, sizeBytes, property := o.number("level", 0), o.number("size", 0), o.text("property", "")
	count := o.number("count", 1)
	result := make([]*primitive.Message, 0, count)
	for i := 0; i < count; i++ {
		id := fmt.Sprintf("%s-%d", prefix, i)
		m := primitive.NewMessage(topic, body(id, sizeBytes))
		if tag := tags[i%len(tags)]; tag != "" {
			m.WithTag(tag)
		}
		if keys {
			m.WithKeys([]string{id})
		}
		if level > 0 {
			m.WithDelayTimeLevel(level)
		}
		if property != "" {
			m.WithProperty(property, strconv.Itoa(i))
		}
		result = append(result, m)
	}
	return result
}

func status(s primitive.SendStatus) string {
	switch s {
	case primitive.SendOK:
		return "SEND_OK"
	case primitive.SendFlushDiskTimeout:
		return "FLUSH_DISK_TIMEOUT"
	case primitive.SendFlushSlaveTimeout:
		return "FLUSH_SLAVE_TIMEOUT"
	case primitive.SendSlaveNotAvailable:
		return "SLAVE_NOT_AVAILABLE"
	}
	return fmt.Sprintf("UNKNOWN_%d", s)
}

// produce sends messages: mode sync, async, oneway or batch (batch= messages per request). With hold=true it keeps its
// connections open after "done", until SIGTERM.
func produce(o *options) {
	list := messages(o)
	hold := o.text("hold", "false") == "true"
	terminate := make(chan os.Signal, 1)
	if hold {
		signal.Notify(terminate, syscall.SIGTERM)
	}
	mode, batch := o.text("mode", "sync"), o.number("batch", 32)
	p, err := rocketmq.NewProducer(
		producer.WithNameServer(strings.Split(o.need("namesrv"), ";")),
		producer.WithGroupName(o.text("group", "interop-go-producer")),
		producer.WithRetry(o.number("retries", 2)),
		producer.WithSendMsgTimeout(o.milliseconds("sendTimeoutMs", 5000)),
	)
	if err != nil {
		fail("producer: %v", err)
	}
	o.refuseUnused()
	if err := p.Start(); err != nil {
		fail("producer start: %v", err)
	}
	acknowledged, failed := 0, 0
	var counting sync.Mutex
	report := func(part []*primitive.Message, r *primitive.SendResult, err error) {
		counting.Lock()
		defer counting.Unlock()
		for i, m := range part {
			if err != nil {
				failed++
				line("failed", "id", idOf(m.Body), "error", err)
				continue
			}
			acknowledged++
			line("sent", "id", idOf(m.Body), "status", status(r.Status), "broker", r.MessageQueue.BrokerName,
				"queue", r.MessageQueue.QueueId, "offset", r.QueueOffset+int64(i), "msgId", r.MsgID, "offsetMsgId", r.OffsetMsgID)
		}
	}
	start := time.Now()
	ctx := context.Background()
	switch mode {
	case "sync":
		for _, m := range list {
			r, err := p.SendSync(ctx, m)
			report([]*primitive.Message{m}, r, err)
		}
	case "batch":
		for from := 0; from < len(list); from += batch {
			part := list[from:min(len(list), from+batch)]
			r, err := p.SendSync(ctx, part...)
			report(part, r, err)
		}
	case "async":
		var open sync.WaitGroup
		places := make(chan struct{}, 64)
		for _, m := range list {
			m := m
			places <- struct{}{}
			open.Add(1)
			err := p.SendAsync(ctx, func(_ context.Context, r *primitive.SendResult, err error) {
				report([]*primitive.Message{m}, r, err)
				<-places
				open.Done()
			}, m)
			if err != nil {
				report([]*primitive.Message{m}, nil, err)
				<-places
				open.Done()
			}
		}
		open.Wait()
	case "oneway":
		for _, m := range list {
			if err := p.SendOneWay(ctx, m); err != nil {
				fail("one-way send: %v", err)
			}
			line("sent", "id", idOf(m.Body), "status", "ONEWAY")
		}
	default:
		fail("unknown mode %s", mode)
	}
	line("done", "acknowledged", acknowledged, "failed", failed, "elapsedMs", time.Since(start).Milliseconds())
	if hold {
		<-terminate
	}
	if err := p.Shutdown(); err != nil {
		fail("producer shutdown: %v", err)
	}
}

type tally struct {
	sync.Mutex
	failTimes           int
	refusals            map[string]int
	seen                map[string]bool
	duplicates, refused int
	last                time.Time
}

// accept reports a delivery; false for the first failTimes deliveries of an id.
func (t *tally) accept(m *primitive.MessageExt) bool {
	t.Lock()
	defer t.Unlock()
	id := idOf(m.Body)
	t.last = time.Now()
	if t.refusals[id] < t.failTimes {
		t.refusals[id]++
		t.refused++
		line("refused", "id", id, "topic", m.Topic, "reconsume", m.ReconsumeTimes, "at", time.Now().UnixMilli())
		return false
	}
	if t.seen[id] {
		t.duplicates++
	}
	t.seen[id] = true
	line("received", "id", id, "topic", m.Topic, "broker", m.Queue.BrokerName, "queue", m.Queue.QueueId, "offset", m.QueueOffset,
		"reconsume", m.ReconsumeTimes, "tags", m.GetTags(), "keys", m.GetKeys(), "size", len(m.Body),
		"intact", bytes.Equal(m.Body, body(id, len(m.Body))), "msgId", m.MsgId,
		"born", m.BornTimestamp, "stored", m.StoreTimestamp, "at", time.Now().UnixMilli())
	return true
}

func (t *tally) complete(count int, quiet time.Duration) bool {
	t.Lock()
	defer t.Unlock()
	return len(t.seen) >= count && time.Since(t.last) >= quiet
}

// push consumes until count distinct ids came and nothing came for quietMs, or until timeoutMs.
func push(o *options) {
	from := map[string]consumer.ConsumeFromWhere{"FIRST_OFFSET": consumer.ConsumeFromFirstOffset, "LAST_OFFSET": consumer.ConsumeFromLastOffset}
	where, known := from[o.text("from", "FIRST_OFFSET")]
	if !known {
		fail("from=FIRST_OFFSET or LAST_OFFSET")
	}
	model := consumer.Clustering
	if o.text("model", "CLUSTERING") == "BROADCASTING" {
		model = consumer.BroadCasting
	}
	orderly := o.text("orderly", "false") == "true"
	t := &tally{failTimes: o.number("failTimes", 0), refusals: map[string]int{}, seen: map[string]bool{}, last: time.Now()}
	topic, selector := o.need("topic"), consumer.MessageSelector{Type: consumer.TAG, Expression: o.text("tags", "*")}
	if sql := o.text("sql", ""); sql != "" {
		selector = consumer.MessageSelector{Type: consumer.SQL92, Expression: sql}
	}
	count, timeout, quiet := o.number("count", 1), o.milliseconds("timeoutMs", 30000), o.milliseconds("quietMs", 300)
	c, err := rocketmq.NewPushConsumer(
		consumer.WithNameServer(strings.Split(o.need("namesrv"), ";")),
		consumer.WithGroupName(o.need("group")),
		consumer.WithConsumeFromWhere(where),
		consumer.WithConsumerModel(model),
		consumer.WithConsumerOrder(orderly),
		consumer.WithSuspendCurrentQueueTimeMillis(200*time.Millisecond),
	)
	if err != nil {
		fail("consumer: %v", err)
	}
	o.refuseUnused()
	err = c.Subscribe(topic, selector,
		func(_ context.Context, list ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
			accepted := true
			for _, m := range list {
				accepted = t.accept(m) && accepted
			}
			switch {
			case accepted:
				return consumer.ConsumeSuccess, nil
			case orderly:
				return consumer.SuspendCurrentQueueAMoment, nil
			}
			return consumer.ConsumeRetryLater, nil
		})
	if err != nil {
		fail("subscribe: %v", err)
	}
	start := time.Now()
	if err := c.Start(); err != nil {
		fail("consumer start: %v", err)
	}
	line("ready")
	for time.Since(start) < timeout && !t.complete(count, quiet) {
		time.Sleep(20 * time.Millisecond)
	}
	t.Lock()
	line("done", "distinct", len(t.seen), "duplicates", t.duplicates, "refused", t.refused, "elapsedMs", time.Since(start).Milliseconds())
	t.Unlock()
	if err := c.Shutdown(); err != nil {
		fail("consumer shutdown: %v", err)
	}
}

func main() {
	if len(os.Args) < 2 {
		fail("usage: go-client produce|push|soak-produce|soak-consume key=value ...")
	}
	rlog.SetLogLevel("error")
	o := parse(os.Args[2:])
	switch os.Args[1] {
	case "produce":
		produce(o)
	case "push":
		push(o)
	case "soak-produce":
		soakProduce(o)
	case "soak-consume":
		soakConsume(o)
	default:
		fail("unknown command %s", os.Args[1])
	}
}
