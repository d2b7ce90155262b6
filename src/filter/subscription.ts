/** What a consumer subscribes with, turned into a filter or into the reason why it is none. */
import { compileFilter, type MessageFilter } from './compile.js';
import { FilterError } from './expression.js';
import { LexicalError } from './tokens.js';

/** Of a filter's text: reading it takes a broker's thread some milliseconds. */
export const FILTER_CHARS_MAX = 64 * 1024;

/** Not set and `TAG` say that `subString` lists tags. Source: ExpressionType.isTagType. */
export function isTagType(expressionType: string): boolean {
  return expressionType === '' || expressionType === 'TAG';
}

/** Why a text is no filter. */
export class NoFilter {
  constructor(readonly reason: string) {}
}

/** For every type but tags. The reasons are Apache's where it has one. */
export function readFilter(expressionType: string, text: string): MessageFilter | NoFilter {
  if (expressionType !== 'SQL92') return new NoFilter(`filters are of type TAG or SQL92, not ${expressionType}`);
  if (text.length > FILTER_CHARS_MAX) {
    return new NoFilter(`the filter has ${text.length} characters, at most ${FILTER_CHARS_MAX}: simplify it`);
  }
  try {
    return compileFilter(text);
  } catch (error) {
    if (error instanceof FilterError || error instanceof LexicalError) return new NoFilter(error.message);
    throw error;
  }
}
