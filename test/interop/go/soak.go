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
)

// The soak's producer and member. What a message is follows from its number; test/soak/groups.ts, SoakRules.java and
// ali-ons-soak.ts have the same rules.

const (
	soakBatch      = 4
	soakDelayLevel = 2
	soakRetries    = 2
	quietLook      = 100 * time.Millisecond
)

// journal is test/soak/journal.ts: a record is one write of a file opened for appending.
type journal struct {
	file *os.File
	path string
}

func openJournal(path string) *journal {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		fail("journal: %v", err)
	}
	return &journal{file, path}
}

func (j *journal) append(event string, pairs ...any) {
	var text strings.Builder
	fmt.Fprintf(&text, "\n%s", event)
	for i := 0; i < len(pairs); i += 2 {
		value := strings.ReplaceAll(url.QueryEscape(fmt.Sprint(pairs[i+1])), "+", "%20")
		fmt.Fprintf(&text, " %s=%s", pairs[i], value)
	}
	text.WriteString(" .\n")
	if _, err := j.file.WriteString(text.String()); err != nil {
		fail("journal: %v", err)
	}
}

func (j *journal) isQuiet() bool {
	_, err := os.Stat(j.path + ".quiet")
	return err == nil
}

// numberOf gives -1 for what no producer sent; the judge tells.
func numberOf(id string) int {
	n, err := strconv.Atoi(id[strings.LastIndex(id, "-")+1:])
	if err != nil {
		return -1
	}
	return n
}

func soakMessage(topic, id string) *primitive.Message {
	n := numberOf(id)
	size := n * 37 % 1500
	if n%50 == 20 {
		size = 8000
	}
	m := primitive.NewMessage(topic, body(id, size))
	m.WithTag([]string{"TagA", "TagB", "TagC"}[n%3])
	m.WithProperty("n", strconv.Itoa(n))
	m.WithProperty("kind", []string{"even", "odd"}[n%2])
	if isDelayed(n) {
		m.WithDelayTimeLevel(soakDelayLevel)
	}
	return m
}

func isDelayed(n int) bool { return n%20 == 9 }

func onTerminate() chan os.Signal {
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	return terminate
}

// soakProduce sends one message or batch after the other until SIGTERM.
func soakProduce(o *options) {
	terminate := onTerminate()
	topic, member, j, pause := o.need("topic"), o.need("member"), openJournal(o.need("journal")), o.milliseconds("pauseMs", 20)
	p, err := rocketmq.NewProducer(
		producer.WithNameServer(strings.Split(o.need("namesrv"), ";")),
		producer.WithGroupName(o.need("group")),
		producer.WithRetry(2),
	)
	if err != nil {
		fail("producer: %v", err)
	}
	o.refuseUnused()
	if err := p.Start(); err != nil {
		fail("producer start: %v", err)
	}
	line("ready")
	for n := 0; ; {
		wait := pause
		if j.isQuiet() {
			wait = quietLook
		} else {
			count := 1
			if n%40 == 30 {
				count = soakBatch
			}
			var ids []string
			for i := 0; i < count; i++ {
				ids = append(ids, fmt.Sprintf("%s-%d", member, n+i))
			}
			soakSend(p, j, topic, ids)
			n += count
		}
		select {
		case <-terminate:
			if err := p.Shutdown(); err != nil {
				fail("producer shutdown: %v", err)
			}
			return
		case <-time.After(wait):
		}
	}
}

func soakSend(p rocketmq.Producer, j *journal, topic string, ids []string) {
	var messages []*primitive.Message
	for _, id := range ids {
		j.append("tried", "id", id)
		messages = append(messages, soakMessage(topic, id))
	}
	r, err := p.SendSync(context.Background(), messages...)
	for i, id := range ids {
		switch {
		case err != nil:
			j.append("failed", "id", id, "why", err)
		case isDelayed(numberOf(id)):
			j.append("sent", "id", id, "status", status(r.Status))
		default:
			j.append("sent", "id", id, "status", status(r.Status),
				"b", r.MessageQueue.BrokerName, "q", r.MessageQueue.QueueId, "o", r.QueueOffset+int64(i))
		}
	}
}

// soakConsume is a member of one group of each of the kinds, until SIGTERM.
func soakConsume(o *options) {
	terminate := onTerminate()
	topic, member, j := o.need("topic"), o.need("member"), openJournal(o.need("journal"))
	nameServers := strings.Split(o.need("namesrv"), ";")
	var consumers []rocketmq.PushConsumer
	for _, kind := range strings.Split(o.need("kinds"), ",") {
		consumers = append(consumers, soakConsumer(kind, nameServers, topic, member, j))
	}
	o.refuseUnused()
	for _, c := range consumers {
		if err := c.Start(); err != nil {
			fail("consumer start: %v", err)
		}
	}
	line("ready")
	<-terminate
	for _, c := range consumers {
		if err := c.Shutdown(); err != nil {
			fail("consumer shutdown: %v", err)
		}
	}
}

func soakConsumer(kind string, nameServers []string, topic, member string, j *journal) rocketmq.PushConsumer {
	group := "soak-go-" + kind
	settings := []consumer.Option{
		consumer.WithNameServer(nameServers),
		consumer.WithGroupName(group),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
		consumer.WithConsumerOrder(kind == "orderly"),
		consumer.WithSuspendCurrentQueueTimeMillis(50 * time.Millisecond),
	}
	switch kind {
	case "retry":
		settings = append(settings, consumer.WithMaxReconsumeTimes(soakRetries))
	case "broadcast":
		// Its offsets are in the home directory, under a name that its next incarnation has, too.
		settings = append(settings, consumer.WithConsumerModel(consumer.BroadCasting),
			consumer.WithInstance(member[:strings.LastIndex(member, ".")]))
	}
	c, err := rocketmq.NewPushConsumer(settings...)
	if err != nil {
		fail("consumer: %v", err)
	}
	selector := consumer.MessageSelector{Type: consumer.TAG, Expression: "*"}
	switch kind {
	case "tags":
		selector.Expression = "TagA || TagB"
	case "dead":
		topic = "%DLQ%soak-go-retry"
	}
	var suspended sync.Map
	err = c.Subscribe(topic, selector,
		func(_ context.Context, list ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
			for _, m := range list {
				id := idOf(m.Body)
				n := numberOf(id)
				accepted := true
				switch kind {
				case "retry":
					accepted = n%30 != 7 && (n%10 != 3 || m.ReconsumeTimes > 0)
				case "orderly":
					if n%40 == 11 {
						_, accepted = suspended.LoadOrStore(id, true)
					}
				}
				event := "refused"
				if accepted {
					event = "got"
				}
				fields := []any{"g", group, "m", member, "id", id, "b", m.Queue.BrokerName,
					"q", m.Queue.QueueId, "o", m.QueueOffset, "r", m.ReconsumeTimes}
				if strings.HasPrefix(m.Queue.Topic, "%RETRY%") {
					fields = append(fields, "retry", 1)
				}
				if !bytes.Equal(m.Body, body(id, len(m.Body))) {
					fields = append(fields, "bad", 1)
				}
				j.append(event, fields...)
				if !accepted && kind == "orderly" {
					return consumer.SuspendCurrentQueueAMoment, nil
				}
				if !accepted {
					return consumer.ConsumeRetryLater, nil
				}
			}
			return consumer.ConsumeSuccess, nil
		})
	if err != nil {
		fail("subscribe: %v", err)
	}
	return c
}
