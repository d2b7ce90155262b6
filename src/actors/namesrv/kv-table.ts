/** Key-value configuration in namespaces, as tools put it: what it holds and what it is on the wire. No disk. */
import { BodyProblem, decodeText, encodeBody, encodeText } from '../../remoting/body-codec.js';
import { kvConfigTable, kvTable } from '../../remoting/bodies/routes.js';
import type { Limits } from './limits.js';

/** Queues of ordered topics, `broker:count;...` by topic. Source: NamesrvUtil.NAMESPACE_ORDER_TOPIC_CONFIG. */
export const ORDER_TOPIC_CONFIG = 'ORDER_TOPIC_CONFIG';

interface Namespace {
  readonly values: Map<string, string>;
  /** Its KVTable body, until a value changes. */
  encoded: Buffer | undefined;
}

export class KvTable {
  /** Changes with every value. */
  version = 0;
  private readonly namespaces = new Map<string, Namespace>();
  private entries = 0;
  private bytes = 0;

  constructor(private readonly limits: Pick<Limits, 'kvEntries' | 'kvBytes'>) {}

  get(namespace: string, key: string): string | undefined {
    return this.namespaces.get(namespace)?.values.get(key);
  }

  /** Answers why not, or undefined when the value is in. */
  put(namespace: string, key: string, value: string): string | undefined {
    const found = this.namespaces.get(namespace);
    const old = found?.values.get(key);
    if (old === value) return undefined;
    const { kvEntries, kvBytes } = this.limits;
    const addedEntries = (found === undefined ? 1 : 0) + (old === undefined ? 1 : 0);
    const addedBytes =
      (found === undefined ? Buffer.byteLength(namespace) : 0) +
      (old === undefined ? Buffer.byteLength(key) : -Buffer.byteLength(old)) +
      Buffer.byteLength(value);
    // What makes it smaller is always taken: a file of Apache's may have filled it beyond the bounds.
    if (addedEntries > 0 && this.entries + addedEntries > kvEntries) {
      return `the KV configuration holds ${this.entries} namespaces and keys of at most ${kvEntries}: delete unused ones`;
    }
    if (addedBytes > 0 && this.bytes + addedBytes > kvBytes) {
      return `the KV configuration holds ${this.bytes} bytes of at most ${kvBytes}: delete unused keys, or shorten the value`;
    }
    this.set(namespace, key, value, addedEntries, addedBytes);
    return undefined;
  }

  private set(namespace: string, key: string, value: string, addedEntries: number, addedBytes: number): void {
    const found = this.namespaces.get(namespace) ?? { values: new Map(), encoded: undefined };
    this.namespaces.set(namespace, found);
    found.values.set(key, value);
    found.encoded = undefined;
    this.entries += addedEntries;
    this.bytes += addedBytes;
    this.version++;
  }

  /** The namespace stays, possibly empty, as in Apache. */
  delete(namespace: string, key: string): void {
    const found = this.namespaces.get(namespace);
    const old = found?.values.get(key);
    if (found === undefined || old === undefined) return;
    found.values.delete(key);
    found.encoded = undefined;
    this.entries--;
    this.bytes -= Buffer.byteLength(key) + Buffer.byteLength(old);
    this.version++;
  }

  /** `{"table":{key:value}}`, undefined when there is no such namespace. */
  encodeNamespace(namespace: string): Buffer | undefined {
    const found = this.namespaces.get(namespace);
    if (found === undefined) return undefined;
    found.encoded ??= encodeBody(kvTable, { table: found.values });
    return found.encoded;
  }

  /** Content of kvConfig.json. */
  toText(): string {
    const configTable = new Map([...this.namespaces].map(([name, { values }]) => [name, values] as const));
    return encodeText(kvConfigTable, { configTable });
  }

  /** Takes over what `toText` or Apache wrote, bounds or not. Answers what is wrong with the text, and then has taken nothing. */
  load(text: string): string | undefined {
    const decoded = decodeText(kvConfigTable, text);
    if (decoded instanceof BodyProblem) return decoded.text;
    for (const [namespace, values] of decoded.configTable) {
      this.namespaces.set(namespace, { values: new Map(), encoded: undefined });
      this.entries++;
      this.bytes += Buffer.byteLength(namespace);
      for (const [key, value] of values) {
        this.set(namespace, key, value, 1, Buffer.byteLength(key) + Buffer.byteLength(value));
      }
    }
    return undefined;
  }
}
