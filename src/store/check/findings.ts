/** What an offline check says, as it finds it: nothing is kept, and a kind that comes again and again is only counted. */

/**
 * damage: something is lost or wrong, and a start may refuse or cut. notice: worth knowing, but ordinary: after a crash,
 * in a store of an older broker, after a topic was deleted.
 */
export type Severity = 'damage' | 'notice';

export type Part = 'store' | 'log' | 'queue' | 'index' | 'checkpoint' | 'config';

export interface Finding {
  readonly severity: Severity;
  readonly part: Part;
  readonly path: string;
  /** Commit log offset; undefined where that says nothing. */
  readonly offset: number | undefined;
  readonly text: string;
}

/** Of each part and severity so many are told. */
const TOLD_MAX = 100;

export class Findings {
  damage = 0;
  notices = 0;
  /** Those that were only counted. */
  untold = 0;
  private readonly counts = new Map<string, number>();

  constructor(private readonly tell: (finding: Finding) => void) {}

  add(severity: Severity, part: Part, path: string, offset: number | undefined, text: string): void {
    if (severity === 'damage') this.damage++;
    else this.notices++;
    const kind = `${severity} ${part}`;
    const count = (this.counts.get(kind) ?? 0) + 1;
    this.counts.set(kind, count);
    if (count <= TOLD_MAX) this.tell({ severity, part, path, offset, text });
    else this.untold++;
  }
}
