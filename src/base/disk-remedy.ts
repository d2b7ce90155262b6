/** What an operator can do about a failed disk operation, and whether it passes by itself once that is done. */
import { DiskError } from './disk.js';
import { NotNowError, StartError } from './start-error.js';

interface Remedy {
  readonly text: string;
  /** Trying again later makes sense: nothing is damaged, only something is used up or shut. */
  readonly isPassing: boolean;
}

/** By the operating system's code. */
const REMEDIES: Readonly<Record<string, Remedy>> = {
  ENOSPC: { text: 'free space (or inodes) on its file system, or choose another place with --store', isPassing: true },
  EDQUOT: { text: 'free space, or raise the quota of its owner', isPassing: true },
  EMFILE: { text: 'raise the limit of open files of this process (ulimit -n)', isPassing: true },
  ENFILE: { text: 'raise the limit of open files of this machine (fs.file-max)', isPassing: true },
  EROFS: {
    text: 'its file system is read-only, often after an error of the device: look at the kernel log, then remount it',
    isPassing: true,
  },
  EACCES: { text: 'make it writable for the user that Hangar runs as', isPassing: true },
  EPERM: { text: 'make it writable for the user that Hangar runs as', isPassing: true },
  EIO: {
    text: 'its device reports errors: look at the kernel log, save the store, replace the device',
    isPassing: false,
  },
};

const UNKNOWN: Remedy = { text: 'look at the kernel log and at the file system', isPassing: false };

/** The parts of a DiskError that travel between threads. */
export interface DiskErrorFacts {
  readonly code: string;
  readonly path: string;
  /** Operation, path and code. */
  readonly message: string;
}

export function diskErrorFacts({ code, path, message }: DiskError): DiskErrorFacts {
  return { code, path, message };
}

/** What failed, where, and what to do: for a log line or the remark of an answer. */
export function withRemedy({ code, message }: DiskErrorFacts): string {
  return `${message}: ${(REMEDIES[code] ?? UNKNOWN).text}`;
}

/** The disk may take it another time without anybody looking at the store. */
export function isPassing(code: string): boolean {
  return (REMEDIES[code] ?? UNKNOWN).isPassing;
}

/** What a start that met a disk error says, and whether it is worth another try; other errors stay what they are. */
export function asStartError(error: unknown, prefix = ''): unknown {
  if (!(error instanceof DiskError)) return error;
  const text = `${prefix}${withRemedy(error)}`;
  return isPassing(error.code) ? new NotNowError(text) : new StartError(text);
}
