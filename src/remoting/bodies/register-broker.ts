/**
 * The body of REGISTER_BROKER in its three forms. JSON, plain or (peers before 3.0.11) just the topic table, or zlib over
 *
 *     | i32 length | DataVersion JSON | i32 topics | per topic: i32 length | "name readQ writeQ perm filterType" |
 *     | i32 length | filter server list JSON | since 5.0.0: queue mappings, ignored here |
 *
 * Source: RegisterBrokerBody.java, TopicConfig.encode.
 */
import { constants, deflateSync, inflateSync } from 'node:zlib';
import { bodyCrc } from '../../message/crc.js';
import { BodyProblem, decodeBody, decodeText, encodeBody, encodeText, list, text } from '../body-codec.js';
import { VersionSince } from '../version.js';
import {
  dataVersion,
  type RegisterBrokerBody,
  registerBrokerBody,
  type TopicConfig,
  topicConfigTable,
  topicFilterType,
} from './tables.js';

/** A registration is refused when it inflates to more: about a million topics. */
export const MAX_INFLATED_BYTES = 64 * 1024 * 1024;

export interface RegisterBrokerFraming {
  readonly compressed: boolean;
  /** CRC32 & 0x7fffffff of the body as sent; 0 when it is not to be checked. */
  readonly bodyCrc32: number;
  /** Version of the request's frame. */
  readonly version: number;
}

/** An empty body is an empty table with DataVersion 0/0. */
export function decodeRegisterBroker(body: Buffer, framing: RegisterBrokerFraming): RegisterBrokerBody | BodyProblem {
  if (framing.bodyCrc32 !== 0 && registerBrokerCrc(body) !== framing.bodyCrc32)
    return new BodyProblem('crc32 not match');
  if (body.length === 0) return decodeText(registerBrokerBody, '{}');
  if (framing.version < VersionSince.REGISTER_WITH_FILTER_SERVERS) {
    const table = decodeBody(topicConfigTable, body);
    return table instanceof BodyProblem ? table : { filterServerList: [], topicConfigSerializeWrapper: table };
  }
  return framing.compressed ? decodeCompressed(body) : decodeBody(registerBrokerBody, body);
}

/** The body to send; `compressed` must be what the request's header says. */
export function encodeRegisterBroker(body: RegisterBrokerBody, compressed: boolean): Buffer {
  return compressed ? encodeCompressed(body) : encodeBody(registerBrokerBody, body);
}

/** `bodyCrc32` of the header. Source: UtilAll.crc32. */
export function registerBrokerCrc(body: Uint8Array): number {
  return bodyCrc(body, 0, body.length);
}

function decodeCompressed(body: Buffer): RegisterBrokerBody | BodyProblem {
  let inflated: Buffer;
  try {
    inflated = inflateSync(body, { maxOutputLength: MAX_INFLATED_BYTES });
  } catch (error) {
    return new BodyProblem(`compressed body cannot be inflated: ${(error as Error).message}`);
  }
  const parts = new Parts(inflated);
  const version = parts.text();
  const topicCount = parts.int();
  const topics = new Map<string, TopicConfig>();
  for (let index = 0; index < topicCount && !parts.isCutOff; index++) {
    const line = parts.text();
    if (parts.isCutOff) break;
    const topic = parseTopic(line);
    if (topic === undefined) return new BodyProblem(`malformed topic in compressed body: "${line.slice(0, 160)}"`);
    topics.set(topic.topicName, topic);
  }
  const servers = parts.text();
  if (parts.isCutOff) return new BodyProblem('compressed body is cut off');
  const decodedVersion = decodeText(dataVersion, version);
  if (decodedVersion instanceof BodyProblem) return decodedVersion;
  const filterServerList = decodeText(list(text), servers === '' ? '[]' : servers);
  if (filterServerList instanceof BodyProblem) return filterServerList;
  return {
    filterServerList,
    topicConfigSerializeWrapper: { dataVersion: decodedVersion, topicConfigTable: topics },
  };
}

function encodeCompressed(body: RegisterBrokerBody): Buffer {
  const table = body.topicConfigSerializeWrapper;
  const parts: Buffer[] = [];
  const append = (part: string): void => {
    const bytes = Buffer.from(part);
    parts.push(int32(bytes.length), bytes);
  };
  append(encodeText(dataVersion, table.dataVersion));
  parts.push(int32(table.topicConfigTable.size));
  for (const topic of table.topicConfigTable.values()) {
    append(`${topic.topicName} ${topic.readQueueNums} ${topic.writeQueueNums} ${topic.perm} ${topic.topicFilterType}`);
  }
  append(encodeText(list(text), body.filterServerList));
  return deflateSync(Buffer.concat(parts), { level: constants.Z_BEST_COMPRESSION });
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** 5.x appends its attributes as a sixth word. */
function parseTopic(line: string): TopicConfig | undefined {
  const [topicName, readQueueNums, writeQueueNums, perm, filterType] = line.split(' ');
  const numbers = [readQueueNums, writeQueueNums, perm];
  if (!topicName || !numbers.every((part) => part !== undefined && /^-?[0-9]{1,9}$/.test(part))) return undefined;
  if (filterType !== 'SINGLE_TAG' && filterType !== 'MULTI_TAG') return undefined;
  return {
    order: false,
    perm: Number(perm),
    readQueueNums: Number(readQueueNums),
    topicFilterType: topicFilterType.read(filterType),
    topicName,
    topicSysFlag: 0,
    writeQueueNums: Number(writeQueueNums),
  };
}

/** Length-prefixed parts in sequence; once cut off it answers empty parts. */
class Parts {
  isCutOff = false;
  private at = 0;

  constructor(private readonly bytes: Buffer) {}

  int(): number {
    if (this.isCutOff || this.at + 4 > this.bytes.length) {
      this.isCutOff = true;
      return 0;
    }
    this.at += 4;
    return this.bytes.readInt32BE(this.at - 4);
  }

  text(): string {
    const length = this.int();
    if (length < 0 || length > this.bytes.length - this.at) this.isCutOff = true;
    if (this.isCutOff) return '';
    this.at += length;
    return this.bytes.toString('utf8', this.at - length, this.at);
  }
}
