/** What a broker under test has in its commit log. */
import { decodeProperties } from '../../../src/message/properties.js';
import { LogScanner } from '../../../src/store/log-scan.js';
import type { BrokerDriver } from './driver.js';

export interface LogRecord {
  readonly offset: number;
  readonly bytes: number;
  readonly topic: string;
  readonly queueId: number;
  readonly queueOffset: number;
  readonly body: string;
  readonly flag: number;
  readonly sysFlag: number;
  readonly bornTimestamp: number;
  readonly bornHost: string;
  readonly storeTimestamp: number;
  readonly storeHost: string;
  readonly reconsumeTimes: number;
  readonly preparedTransactionOffset: number;
  readonly properties: Readonly<Record<string, string>>;
}

/** All records, or those of one topic, in log order. */
export function logRecords(broker: BrokerDriver, topic?: string): LogRecord[] {
  const { log, settings } = broker.state;
  const scanner = new LogScanner({ fileBytes: settings.mappedFileSizeCommitLog, delayLevelsMs: [] });
  const records: LogRecord[] = [];
  const source = {
    read: (offset: number, length: number, target: Uint8Array, at: number) =>
      log.read(offset, length, target, at) ? length : 0,
  };
  scanner.scan(source, log.minOffset, log.endOffset, true, (record) => {
    const { buffer } = record;
    const hex = (at: number, bytes: number): string => buffer.toString('hex', at, at + bytes);
    records.push({
      offset: record.offset,
      bytes: record.totalBytes,
      topic: buffer.toString('utf8', record.topicAt, record.topicAt + record.topicBytes),
      queueId: record.queueId,
      queueOffset: record.queueOffset,
      body: buffer.toString('utf8', record.bodyAt, record.bodyAt + record.bodyBytes),
      flag: record.flag,
      sysFlag: record.sysFlag,
      bornTimestamp: record.bornTimestamp,
      bornHost: hex(record.bornHostAt, record.bornHostBytes),
      storeTimestamp: record.storeTimestamp,
      storeHost: hex(record.storeHostAt, record.storeHostBytes),
      reconsumeTimes: record.reconsumeTimes,
      preparedTransactionOffset: record.preparedTransactionOffset,
      properties: Object.fromEntries(decodeProperties(buffer, record.propertiesAt, record.propertiesBytes)),
    });
  });
  return topic === undefined ? records : records.filter((record) => record.topic === topic);
}

/** Stored form of properties, as clients send it. */
export function propertiesText(properties: Readonly<Record<string, string>>): string {
  return Object.entries(properties)
    .map(([name, value]) => `${name}\u0001${value}\u0002`)
    .join('');
}
