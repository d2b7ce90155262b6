/**
 * Result codes of responses. Sources: RemotingSysResponseCode.java (0-4) and ResponseCode.java of 4.9.7.
 * Codes of 5.x that a 4.x client would misread are left out (29, 209-213 of 5.x mean something else or nothing here).
 */
export const ResponseCode = {
  SUCCESS: 0,
  /** Anything without a code of its own: exceptions, bad parameters, most failures of admin requests. */
  SYSTEM_ERROR: 1,
  /** Flow control: the client of 4.x fails the send, it does not try another broker. */
  SYSTEM_BUSY: 2,
  REQUEST_CODE_NOT_SUPPORTED: 3,
  /** Never sent. */
  TRANSACTION_FAILED: 4,
  /** Stored, but the flush of SYNC_FLUSH was not confirmed in time. The full send header must be present. */
  FLUSH_DISK_TIMEOUT: 10,
  /** Stored, but no slave is connected or close enough (SYNC_MASTER). The full send header must be present. */
  SLAVE_NOT_AVAILABLE: 11,
  /** Stored, but the slave did not confirm in time (SYNC_MASTER). The full send header must be present. */
  FLUSH_SLAVE_TIMEOUT: 12,
  /** Topic, properties or body too long; a batch that holds what batches may not hold. */
  MESSAGE_ILLEGAL: 13,
  /** The store cannot be written: slave role, disk full, shutting down. */
  SERVICE_NOT_AVAILABLE: 14,
  /** Never sent. */
  VERSION_NOT_SUPPORTED: 15,
  /** Permission bits of broker or topic, disabled group, configuration keys that may not be changed. */
  NO_PERMISSION: 16,
  TOPIC_NOT_EXIST: 17,
  /** Never sent. */
  TOPIC_EXIST_ALREADY: 18,
  /** Nothing at this offset yet. */
  PULL_NOT_FOUND: 19,
  /** Messages were examined and none matched: pull again from nextBeginOffset. */
  PULL_RETRY_IMMEDIATELY: 20,
  /** The offset is outside the queue: go on from nextBeginOffset. */
  PULL_OFFSET_MOVED: 21,
  /** Not there: a key, a consumer offset, a KV entry. For code 14 it is the only answer that means "no offset". */
  QUERY_NOT_FOUND: 22,
  SUBSCRIPTION_PARSE_FAILED: 23,
  SUBSCRIPTION_NOT_EXIST: 24,
  /** The broker's copy of the subscription is older than the one the pull was built with. */
  SUBSCRIPTION_NOT_LATEST: 25,
  SUBSCRIPTION_GROUP_NOT_EXIST: 26,
  FILTER_DATA_NOT_EXIST: 27,
  FILTER_DATA_NOT_LATEST: 28,
  /** 200-205 are legacy and never sent; clients keep 204 and 205 in their retry sets. */
  TRANSACTION_SHOULD_COMMIT: 200,
  TRANSACTION_SHOULD_ROLLBACK: 201,
  TRANSACTION_STATE_UNKNOW: 202,
  TRANSACTION_STATE_GROUP_WRONG: 203,
  NO_BUYER_ID: 204,
  NOT_IN_CURRENT_UNIT: 205,
  CONSUMER_NOT_ONLINE: 206,
  /** The client behind 307 or 309 did not answer in time. */
  CONSUME_MSG_TIMEOUT: 207,
  NO_MESSAGE: 208,
  UPDATE_AND_CREATE_ACL_CONFIG_FAILED: 209,
  DELETE_ACL_CONFIG_FAILED: 210,
  UPDATE_GLOBAL_WHITE_ADDRS_CONFIG_FAILED: 211,
  /** Clients of 4.9 try such a pull again after 20 ms. */
  FLOW_CONTROL: 215,
} as const;

export type ResponseCode = (typeof ResponseCode)[keyof typeof ResponseCode];

const names = new Map<number, string>(Object.entries(ResponseCode).map(([name, code]) => [code, name]));

/** `TOPIC_NOT_EXIST` for 17, `code 999` for what is not in the table: for logs and metric labels. */
export function responseCodeName(code: number): string {
  return names.get(code) ?? `code ${code}`;
}
