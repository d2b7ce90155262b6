/** Where the outcomes of two makers differ, case by case and path by path. */
import { canonical, type Json } from './fastjson.js';
import type { NormalAnswer } from './normal.js';
import type { Intended } from './part.js';
import { REMARKS } from './remarks.js';
import type { Outcome } from './script.js';

export interface Difference {
  readonly what: string;
  readonly path: string;
  readonly apache: string;
  readonly ours: string;
}

/** The text of an exception that Apache's handler did not catch: of its own code, so that ours only has to say something. */
const SYSTEM_ERROR = 1;
const EXCEPTION = /^(java|org\.apache|com\.alibaba|sun)\.[\w.$]+/;

/** Case by case, by name: a script may ask on when an answer says that there is more to see. */
export function differences(apache: readonly Outcome[], ours: readonly Outcome[]): Difference[] {
  const found: Difference[] = [];
  const own = new Map(ours.map(({ what, value }) => [what, value]));
  for (const { what, value } of apache) {
    const other = own.get(what);
    own.delete(what);
    if (other === undefined) found.push({ what, path: '', apache: 'asked', ours: 'not asked' });
    else if (isAnswer(value) && isAnswer(other)) compareAnswers(what, value, other, found);
    else compare(what, '', value as Json, other as Json, found);
  }
  for (const what of own.keys()) found.push({ what, path: '', apache: 'not asked', ours: 'asked' });
  return found;
}

function isAnswer(value: Outcome['value']): value is NormalAnswer {
  return value !== null && typeof value === 'object' && 'header' in value;
}

/** Of answers with two codes only these are told. */
function compareAnswers(what: string, apache: NormalAnswer, ours: NormalAnswer, found: Difference[]): void {
  if (apache.code !== ours.code) {
    found.push({ what, path: 'code', apache: codeOf(apache), ours: codeOf(ours) });
    return;
  }
  const isException = apache.code === SYSTEM_ERROR && apache.remark !== undefined && EXCEPTION.test(apache.remark);
  const isAlike = isException ? (ours.remark ?? '') !== '' : isAlikeRemark(apache.remark, ours.remark);
  if (!isAlike) found.push({ what, path: 'remark', apache: shown(apache.remark), ours: shown(ours.remark) });
  compare(what, 'header', apache.header, ours.header, found);
  if (isException) return;
  compare(what, 'fields', (apache.fields ?? null) as Json, (ours.fields ?? null) as Json, found);
  compare(what, 'body', apache.body, ours.body, found);
}

function codeOf({ code, remark }: NormalAnswer): string {
  return remark === undefined ? `${code}` : `${code} ${remark}`;
}

function isAlikeRemark(apache: string | undefined, ours: string | undefined): boolean {
  if (apache === ours) return true;
  const row = REMARKS.find((row) => row.apache.test(apache ?? '') && row.ours.test(ours ?? ''));
  if (row !== undefined) row.isSeen = true;
  return row !== undefined;
}

function compare(what: string, path: string, apache: Json, ours: Json, found: Difference[]): void {
  const isList = Array.isArray(apache) && Array.isArray(ours) && apache.length === ours.length;
  if (isList || (isObject(apache) && isObject(ours))) {
    for (const key of new Set([...Object.keys(apache), ...Object.keys(ours)])) {
      compare(what, path === '' ? key : `${path}.${key}`, at(apache, key), at(ours, key), found);
    }
    return;
  }
  const [theirs, own] = [apache, ours].map(shown);
  if (theirs !== own) found.push({ what, path, apache: theirs!, ours: own! });
}

function at(value: Json, key: string): Json {
  return (value as { [key: string]: Json })[key] as Json;
}

function isObject(value: Json): value is { [key: string]: Json } {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function shown(value: Json | undefined): string {
  return value === undefined || value === null ? 'absent' : canonical(value);
}

/** Differences that nobody means, and rows of the table that have none any more. */
export function unintended(found: readonly Difference[], intended: readonly Intended[]): string[] {
  const used = new Set<string>();
  const problems: string[] = [];
  for (const { what, path, apache, ours } of found) {
    const row = intended.find(({ cases, at }) => cases.includes(what) && (path === at || path.startsWith(`${at}.`)));
    if (row === undefined) problems.push(`${what}: ${path}: Apache ${apache}, ours ${ours}`);
    else used.add(`${what} ${row.at}`);
  }
  for (const { cases, at } of intended) {
    for (const what of cases) {
      if (!used.has(`${what} ${at}`)) problems.push(`${what}: ${at}: is said to differ, and does not`);
    }
  }
  return problems;
}

/** Rows of the table of remarks that no run has any more. */
export function unseenRemarks(): string[] {
  return REMARKS.filter(({ isSeen }) => !isSeen).map(
    ({ apache, ours }) => `no remark is ${apache} and ${ours} any more`,
  );
}
