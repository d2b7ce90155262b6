/**
 * A search of the key index in pieces: a key that millions of messages have is one long chain, and each of its entries a
 * read. Newest file first; the index may grow, and lose its oldest files, between two pieces. Source: IndexService.queryOffset.
 */
import { type IndexFile, type KeyQuestion, NEWEST } from './index-file.js';

export class KeySearch {
  /** The file that is being looked at; undefined at the end. */
  private file: IndexFile | undefined;
  private entry = NEWEST;

  /** `files`: of the index, as they come and go, oldest first. */
  constructor(
    private readonly files: readonly IndexFile[],
    private readonly question: KeyQuestion,
  ) {
    this.file = question.max > 0 ? files.at(-1) : undefined;
  }

  /** Commit log offsets found so far, newest first. */
  get offsets(): readonly number[] {
    return this.question.offsets;
  }

  /** Goes on for about so many reads from the disk; true when that was all. Throws DiskError. */
  step(reads: number): boolean {
    const { question } = this;
    question.readsLeft = reads;
    while (this.file !== undefined && question.readsLeft > 0) this.lookInto(this.file);
    return this.file === undefined;
  }

  /** The rest of the search at once. */
  finish(): readonly number[] {
    this.step(Number.POSITIVE_INFINITY);
    return this.offsets;
  }

  private lookInto(file: IndexFile): void {
    const { question, files } = this;
    if (file.overlaps(question.begin, question.end)) {
      this.entry = file.query(question, this.entry);
      if (this.entry > 0) return;
    }
    const isOver = file.header.beginTimestamp < question.begin || question.offsets.length >= question.max;
    // Files that were removed meanwhile were older than what is left, and so were all before them.
    this.file = isOver ? undefined : files[files.indexOf(file) - 1];
    this.entry = NEWEST;
  }
}
