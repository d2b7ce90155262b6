/** Why a group consumed a message again, as far as the journal shows it; docs/operations.md, "When a message may come twice". */

export const DUPLICATE_CAUSES = {
  'sent again': 'a producer sent it again after a time-out or an error, and both copies were stored',
  'taken over': 'another member, or the same started again, began at the stored offset',
  'gone back': 'the same member began again at an older offset: that of a broker that was back, or its own file',
  retried: 'the member handed it back, or its broker was asked twice to take it back',
} as const;

export type DuplicateCause = keyof typeof DUPLICATE_CAUSES;

export function newDuplicateCounts(): Record<DuplicateCause, number> {
  return { 'sent again': 0, 'taken over': 0, 'gone back': 0, retried: 0 };
}

/** A further copy was not consumed before; messages of retry topics have places of their own. */
export function duplicateOf(isFurtherCopy: boolean, isOfRetryTopic: boolean, isSameMember: boolean): DuplicateCause {
  if (isOfRetryTopic) return 'retried';
  if (isFurtherCopy) return 'sent again';
  return isSameMember ? 'gone back' : 'taken over';
}
