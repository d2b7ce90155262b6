/**
 * What the loaders have to say about a file. Errors stop the start, all of a file at once; warnings and keys without effect are
 * printed at start. One line each: `broker-a.properties:12: brokerRole=MASTER: allowed: ASYNC_MASTER, SYNC_MASTER or SLAVE`.
 */
export type NoteKind = 'error' | 'warning' | 'without effect';

export interface Note {
  readonly kind: NoteKind;
  /** File (or command line option) that it is about. */
  readonly source: string;
  /** Line in that file, from 1; 0 when it is about the whole. */
  readonly line: number;
  /** Key that it is about; empty when there is none. */
  readonly key: string;
  readonly text: string;
}

/** The line that users read. */
export function renderNote(note: Note): string {
  return `${note.source}${note.line === 0 ? '' : `:${note.line}`}: ${note.text}`;
}

/** A value, or every reason why there is none. `notes` holds warnings and keys without effect. */
export type Loaded<T> =
  | { readonly ok: true; readonly value: T; readonly notes: readonly Note[] }
  | { readonly ok: false; readonly errors: readonly Note[]; readonly notes: readonly Note[] };

/** Most errors, and most other notes, that are kept of one file: a hostile one must not fill the memory or the screen. */
export const NOTES_MAX = 100;

/** Collects the notes of one source. */
export class Notebook {
  private readonly errors: Note[] = [];
  private readonly others: Note[] = [];
  private droppedErrors = 0;
  private droppedOthers = 0;

  constructor(readonly source: string) {}

  add(kind: NoteKind, line: number, key: string, text: string): void {
    const note: Note = { kind, source: this.source, line, key, text };
    const list = kind === 'error' ? this.errors : this.others;
    if (list.length < NOTES_MAX) list.push(note);
    else if (kind === 'error') this.droppedErrors++;
    else this.droppedOthers++;
  }

  hasErrorFor(key: string): boolean {
    return this.errors.some((note) => note.key === key);
  }

  /** No warning is kept any more: do not work hard to word one. */
  get isFull(): boolean {
    return this.others.length >= NOTES_MAX;
  }

  /** Ends the collection: the value if there was no error. */
  finish<T>(value: () => T): Loaded<T> {
    if (this.droppedErrors > 0) this.errors.push(this.more('error', this.droppedErrors));
    if (this.droppedOthers > 0) this.others.push(this.more('warning', this.droppedOthers));
    const { errors, others: notes } = this;
    return errors.length === 0 ? { ok: true, value: value(), notes } : { ok: false, errors, notes };
  }

  private more(kind: NoteKind, count: number): Note {
    return { kind, source: this.source, line: 0, key: '', text: `and ${count} more like these` };
  }
}

/** Text of a file made fit for a terminal: control characters escaped, at most 80 characters. */
export function shown(text: string): string {
  const short = text.length > 80 ? `${text.slice(0, 77)}...` : text;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it escapes
  return short.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffe\uffff]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** All values, or all errors; all notes in any case. */
export function together<const T extends readonly Loaded<unknown>[]>(
  parts: T,
): Loaded<{ -readonly [K in keyof T]: T[K] extends Loaded<infer V> ? V : never }> {
  const notes = parts.flatMap((part) => part.notes);
  const errors = parts.flatMap((part) => (part.ok ? [] : part.errors));
  if (errors.length > 0) return { ok: false, errors, notes };
  const values = parts.map((part) => (part.ok ? part.value : undefined));
  return { ok: true, value: values as { -readonly [K in keyof T]: T[K] extends Loaded<infer V> ? V : never }, notes };
}

/** The same with another value; `change` may have something to say itself. */
export function then<From, To>(loaded: Loaded<From>, change: (value: From) => Loaded<To>): Loaded<To> {
  if (!loaded.ok) return loaded;
  const changed = change(loaded.value);
  return { ...changed, notes: [...loaded.notes, ...changed.notes] };
}

export const loaded = <T>(value: T): Loaded<T> => ({ ok: true, value, notes: [] });

/** One error about the whole source. */
export function refused(source: string, text: string): Loaded<never> {
  return { ok: false, errors: [{ kind: 'error', source, line: 0, key: '', text }], notes: [] };
}
