/** The known key that a misspelt one probably means. */

/** Keys longer than this are no misspelling of one of ours. */
const KEY_MAX = 80;

/**
 * The candidate with the smallest edit distance (insertions, deletions, replacements, swaps of neighbours; case does not
 * count), if it is small enough to be a misspelling: a third of the length, at most 6.
 */
export function nearest(key: string, candidates: Iterable<string>): string | undefined {
  if (key.length > KEY_MAX) return undefined;
  const wanted = key.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.min(6, Math.max(1, Math.floor(key.length / 3))) + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - key.length) >= bestDistance) continue;
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance >= bestDistance) continue;
    best = candidate;
    bestDistance = distance;
  }
  return best;
}

/** Optimal string alignment distance. */
export function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      let distance = Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1);
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) distance = Math.min(distance, beforePrevious[column - 2]! + 1);
      current.push(distance);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length]!;
}
