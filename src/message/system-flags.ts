/** Bits of a message's sysFlag. Source: MessageSysFlag.java (4.9.7); UNWRAP and INNER_BATCH exist from 5.0 on. */
export const SystemFlag = {
  COMPRESSED: 0x1,
  MULTI_TAGS: 0x2,
  BORN_HOST_V6: 0x10,
  STORE_HOST_V6: 0x20,
  NEED_UNWRAP: 0x40,
  INNER_BATCH: 0x80,
  /** 0x000 and 0x300 zlib, 0x100 LZ4, 0x200 ZSTD. */
  COMPRESSION_TYPE_MASK: 0x700,
} as const;

/** Two bits of the sysFlag: what a record is in a transaction. */
export const TransactionType = {
  MASK: 0xc,
  NONE: 0x0,
  PREPARED: 0x4,
  COMMIT: 0x8,
  ROLLBACK: 0xc,
} as const;

export function transactionType(systemFlag: number): number {
  return systemFlag & TransactionType.MASK;
}

/** The same flag with another transaction type. */
export function withTransactionType(systemFlag: number, type: number): number {
  return (systemFlag & ~TransactionType.MASK) | type;
}

/** Prepared and rolled-back records take no queue offset and enter no consume queue (CommitLog.java). */
export function entersConsumeQueue(systemFlag: number): boolean {
  return (systemFlag & 0x4) === 0;
}

/** Rolled-back records are not indexed (IndexService.buildIndex). */
export function entersIndex(systemFlag: number): boolean {
  return (systemFlag & TransactionType.MASK) !== TransactionType.ROLLBACK;
}

/** Stored bytes of the born host: IP address and a 4-byte port. */
export function bornHostBytes(systemFlag: number): number {
  return (systemFlag & SystemFlag.BORN_HOST_V6) === 0 ? 8 : 20;
}

/** Stored bytes of the store host: IP address and a 4-byte port. */
export function storeHostBytes(systemFlag: number): number {
  return (systemFlag & SystemFlag.STORE_HOST_V6) === 0 ? 8 : 20;
}
