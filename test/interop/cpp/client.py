"""Programs on Apache's C++ client core, as PyPI's rocketmq 0.4.4 has it: client.py produce|push key=value ...

Of the same shape as those in ../java: each prints lines "event key=value ..." with percent-encoded values.
"""
import sys
import threading
import time
from urllib.parse import quote

from rocketmq.client import Message, Producer, PushConsumer

printing = threading.Lock()


def line(event, **pairs):
    text = ' '.join([event] + ['%s=%s' % (key, quote(str(value), safe='')) for key, value in pairs.items()])
    with printing:
        print(text, flush=True)


class Options:
    def __init__(self, args):
        self.values = dict(arg.split('=', 1) for arg in args)
        self.asked = set()

    def text(self, key, by_default=None):
        self.asked.add(key)
        value = self.values.get(key, by_default)
        if value is None:
            sys.exit('option %s is required' % key)
        return value

    def number(self, key, by_default):
        return int(self.text(key, str(by_default)))

    def flag(self, key):
        return self.text(key, 'false') == 'true'

    def refuse_unused(self):
        unused = set(self.values) - self.asked
        if unused:
            sys.exit('options that this program does not have: %s' % sorted(unused))


def body_of(id, size):
    """The id, then (when a size is asked for) a colon and filler drawn from the id, as in the Java programs."""
    if size <= len(id):
        return id
    seed = 7
    for c in id:
        seed = (seed * 31 + ord(c)) & 0xFFFFFFFF
    filler = []
    for _ in range(size - len(id) - 1):
        seed = (seed * 1103515245 + 12345) & 0xFFFFFFFF
        filler.append(chr(ord('0') + ((seed >> 16) & 63)))
    return id + ':' + ''.join(filler)


def produce(options):
    producer = Producer(options.text('group', 'interop-cpp-producer'))
    producer.set_namesrv_addr(options.text('namesrv'))
    topic, prefix = options.text('topic'), options.text('prefix')
    count, size = options.number('count', 1), options.number('size', 0)
    tags, keys = options.text('tags', '').split(','), options.flag('keys')
    property, mode = options.text('property', ''), options.text('mode', 'sync')
    shards = options.number('shards', 4)
    options.refuse_unused()
    producer.start()
    acknowledged, failed = 0, 0
    for i in range(count):
        id = '%s-%d' % (prefix, i)
        message = Message(topic)
        message.set_body(body_of(id, size))
        if tags[i % len(tags)]:
            message.set_tags(tags[i % len(tags)])
        if keys:
            message.set_keys(id)
        if property:
            message.set_property(property, str(i))
        try:
            if mode == 'oneway':
                producer.send_oneway(message)
                line('sent', id=id, status='ONEWAY')
                continue
            result = producer.send_orderly(message, i % shards) if mode == 'select' else producer.send_sync(message)
            acknowledged += 1
            # The library does not say which queue it was.
            line('sent', id=id, status='SEND_OK' if result.status == 0 else result.status.name, msgId=result.msg_id)
        except Exception as error:
            failed += 1
            line('failed', id=id, error=error)
    line('done', acknowledged=acknowledged, failed=failed)
    producer.shutdown()


class Tally:
    def __init__(self, fail_times):
        self.fail_times = fail_times
        self.refusals = {}
        self.seen = set()
        self.duplicates = 0
        self.last = time.monotonic()
        self.lock = threading.Lock()

    def accept(self, message):
        body = message.body.decode()
        id = body.split(':', 1)[0]
        with self.lock:
            self.last = time.monotonic()
            if self.refusals.get(id, 0) < self.fail_times:
                self.refusals[id] = self.refusals.get(id, 0) + 1
                line('refused', id=id, reconsume=message.reconsume_times)
                return False
            self.duplicates += id in self.seen
            self.seen.add(id)
        line('received', id=id, topic=message.topic, queue=message.queue_id, offset=message.queue_offset,
             reconsume=message.reconsume_times, tags=(message.tags or b'').decode(), keys=(message.keys or b'').decode(),
             size=len(body), intact='true' if body == body_of(id, len(body)) else 'false',
             stored=message.store_timestamp, at=int(time.time() * 1000))
        return True

    def is_complete(self, count, quiet_s):
        with self.lock:
            return len(self.seen) >= count and time.monotonic() - self.last >= quiet_s


class Refused(Exception):
    pass


def tell_unless_refused(raised):
    if raised.exc_type is not Refused:
        sys.__unraisablehook__(raised)


def push(options):
    consumer = PushConsumer(options.text('group'), orderly=options.flag('orderly'))
    consumer.set_namesrv_addr(options.text('namesrv'))
    tally = Tally(options.number('failTimes', 0))
    count, quiet_s = options.number('count', 1), options.number('quietMs', 300) / 1000
    end = time.monotonic() + options.number('timeoutMs', 60000) / 1000

    def on_message(message):
        # What raises is consumed later.
        if not tally.accept(message):
            raise Refused

    consumer.subscribe(options.text('topic'), on_message, expression=options.text('tags', '*'))
    options.refuse_unused()
    sys.unraisablehook = tell_unless_refused
    consumer.start()
    line('ready')
    while time.monotonic() < end and not tally.is_complete(count, quiet_s):
        time.sleep(0.02)
    line('done', distinct=len(tally.seen), duplicates=tally.duplicates)
    consumer.shutdown()


def main():
    if len(sys.argv) < 2:
        sys.exit('usage: client.py produce|push key=value ...')
    {'produce': produce, 'push': push}[sys.argv[1]](Options(sys.argv[2:]))


main()
