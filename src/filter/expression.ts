/** The tree of a SQL92 message filter, its checks and its text. Source: the classes of org.apache.rocketmq.filter.expression. */
import { compareDoubles, doubleText, NotComparable, parseDouble, parseInt32, parseInt64 } from './java-numbers.js';

export type Constant =
  | { readonly kind: 'constant'; readonly type: 'int' | 'double'; readonly value: number }
  | { readonly kind: 'constant'; readonly type: 'long'; readonly value: bigint }
  | { readonly kind: 'constant'; readonly type: 'string'; readonly value: string }
  | { readonly kind: 'constant'; readonly type: 'boolean'; readonly value: boolean }
  | { readonly kind: 'constant'; readonly type: 'null'; readonly value: null };

/** A message property: always a string, or unknown. */
export interface Property {
  readonly kind: 'property';
  readonly name: string;
  /** Place of its value among those that a filter is given. */
  readonly index: number;
}

export type ComparisonSign = '==' | '>' | '>=' | '<' | '<=';

export type Expression =
  | Constant
  | Property
  | { readonly kind: 'negate'; readonly operand: Expression }
  | { readonly kind: 'not'; readonly operand: Expression }
  /** A property where a condition is expected: never true. */
  | { readonly kind: 'cast'; readonly operand: Property }
  | { readonly kind: 'in'; readonly operand: Property; readonly words: readonly string[]; readonly isNegated: boolean }
  | { readonly kind: 'compare'; readonly sign: ComparisonSign; readonly left: Expression; readonly right: Expression }
  /** Two or more conditions; a chain of the same operator is one node. */
  | { readonly kind: 'logic'; readonly sign: '&&' | '||'; readonly operands: Expression[] };

/** The expression cannot be built. `message` is Apache's, with the class of its exception. */
export class FilterError extends Error {
  override readonly name = 'FilterError';
}

function refuse(text: string): never {
  throw new FilterError(`java.lang.RuntimeException: ${text}`);
}

/** Whether it yields true, false or unknown. */
function isCondition(expression: Expression): boolean {
  switch (expression.kind) {
    case 'constant':
      return expression.type === 'boolean' || expression.type === 'null';
    case 'property':
    case 'negate':
      return false;
    default:
      return true;
  }
}

/** Where a condition is needed. */
export function asCondition(expression: Expression): Expression {
  if (isCondition(expression)) return expression;
  if (expression.kind === 'property') return { kind: 'cast', operand: expression };
  const text = `Expression will not result in a boolean value: ${textOf(expression)}`;
  throw new FilterError(`org.apache.rocketmq.filter.parser.ParseException: ${text}`);
}

export function logic(sign: '&&' | '||', left: Expression, right: Expression): Expression {
  const [first, second] = [asCondition(left), asCondition(right)];
  if (first.kind !== 'logic' || first.sign !== sign) return { kind: 'logic', sign, operands: [first, second] };
  // The same in another shape: conditions are looked at from left to right until one decides.
  first.operands.push(second);
  return first;
}

export function not(operand: Expression): Expression {
  return { kind: 'not', operand: asCondition(operand) };
}

export function isNull(operand: Expression): Expression {
  return { kind: 'compare', sign: '==', left: operand, right: NULL };
}

export function equal(left: Expression, right: Expression): Expression {
  for (const operand of [left, right]) {
    if (operand.kind === 'constant' && operand.type === 'null') refuse(`'${textOf(operand)}' cannot be compared.`);
  }
  if (left.kind === 'constant' && right.kind === 'constant' && isCondition(left) && !isCondition(right)) {
    refuse(`'${textOf(left)}' cannot be compared with '${textOf(right)}'`);
  }
  return { kind: 'compare', sign: '==', left, right };
}

export function order(sign: Exclude<ComparisonSign, '=='>, left: Expression, right: Expression): Expression {
  mustHaveOrder(left);
  mustHaveOrder(right);
  return { kind: 'compare', sign, left, right };
}

function mustHaveOrder(operand: Expression): void {
  const isText = operand.kind === 'constant' && operand.type === 'string';
  if (isText || isCondition(operand)) refuse(`Value '${textOf(operand)}' cannot be compared.`);
}

export function between(value: Expression, low: Expression, high: Expression): Expression {
  if (low.kind === 'constant' && high.kind === 'constant') {
    if (low.type === 'null' || high.type === 'null') refuse('Illegal values of between, values can not be null!');
    if (compareConstants(high, low) < 0) {
      const [from, to] = [bareText(low), bareText(high)];
      refuse(`Illegal values of between, left value(${from}) must less than or equal to right value(${to})`);
    }
  }
  return logic('&&', order('>=', value, low), order('<=', value, high));
}

/** A text is read as the number beside it. Those that `order` refuses anyway count as in order, if they have one. */
function compareConstants(left: Constant, right: Constant): number {
  const isNumber = (one: Constant): boolean => one.type === 'int' || one.type === 'long' || one.type === 'double';
  if (isNumber(left) && isNumber(right)) return compareNumbers(left.value as number, right.value as number);
  if (isNumber(left) && right.type === 'string')
    return compareNumbers(left.value as number, numberOf(right.value, left));
  if (left.type === 'string' && isNumber(right))
    return compareNumbers(numberOf(left.value, right), right.value as number);
  if (left.type === right.type) return left.value! < right.value! ? -1 : 0;
  return left.type === 'string' || right.type === 'string' ? 0 : -1;
}

/** Of the type that the other one has. */
function numberOf(text: string, { type }: Constant): number | bigint {
  try {
    return type === 'int' ? parseInt32(text) : type === 'long' ? parseInt64(text) : parseDouble(text);
  } catch (error) {
    if (!(error instanceof NotComparable)) throw error;
    const isEmpty = type === 'double' && text.trim() === '';
    return refuse(`java.lang.NumberFormatException: ${isEmpty ? 'empty String' : `For input string: "${text}"`}`);
  }
}

function compareNumbers(left: number | bigint, right: number | bigint): number {
  if (typeof left === typeof right && typeof left === 'bigint') return left < right ? -1 : left > right ? 1 : 0;
  return compareDoubles(Number(left), Number(right));
}

export function notBetween(value: Expression, low: Expression, high: Expression): Expression {
  return logic('||', order('<', value, low), order('>', value, high));
}

export function among(operand: Expression, words: readonly string[], isNegated: boolean): Expression {
  if (operand.kind !== 'property') refuse(`Expected a property for In expression, got: ${textOf(operand)}`);
  return { kind: 'in', operand, words, isNegated };
}

export const NULL: Constant = { kind: 'constant', type: 'null', value: null };

/** As Apache's messages show it. */
function textOf(expression: Expression): string {
  switch (expression.kind) {
    case 'constant':
      return constantText(expression);
    case 'property':
      return expression.name;
    case 'cast':
      return expression.operand.name;
    case 'negate':
      return `(- ${textOf(expression.operand)})`;
    case 'not':
      return `(NOT ${textOf(expression.operand)})`;
    case 'in': {
      const { operand, words, isNegated } = expression;
      return `${operand.name} ${isNegated ? 'NOT IN' : 'IN'} ( ${words.join(', ')} )`;
    }
    case 'compare':
      return `(${textOf(expression.left)} ${expression.sign} ${textOf(expression.right)})`;
    case 'logic':
      return expression.operands.map(textOf).reduce((left, right) => `(${left} ${expression.sign} ${right})`);
  }
}

function constantText(constant: Constant): string {
  switch (constant.type) {
    case 'null':
      return 'NULL';
    case 'boolean':
      return constant.value ? 'TRUE' : 'FALSE';
    case 'string':
      return `'${constant.value.replaceAll("'", "''")}'`;
    default:
      return bareText(constant);
  }
}

/** Its value as Java prints it. */
function bareText(constant: Constant): string {
  return constant.type === 'double' ? doubleText(constant.value) : String(constant.value);
}
