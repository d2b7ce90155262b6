/**
 * SQL92 message filters, from tree to a function over property values. What types meet is known when a filter is
 * compiled, but for properties, which are strings; so is what a string has to be turned into. Three values: true, false
 * and unknown (a property that a message does not have). Source: ComparisonExpression, LogicExpression, UnaryExpression.
 */
import type { ComparisonSign, Expression } from './expression.js';
import { compareDoubles, NotComparable, parseDouble, parseInt32, parseInt64 } from './java-numbers.js';
import { parseFilter } from './parser.js';

/** Values of a message's properties, by the index of their name; undefined where it has none. */
export type PropertyValues = readonly (string | undefined)[];

export interface MessageFilter {
  /** Properties that it looks at. */
  readonly names: readonly string[];
  /** Parts of the expression: what looking at one message may take. */
  readonly size: number;
  /** Whether the message passes; false also when a value is not what a comparison needs. */
  matches(values: PropertyValues): boolean;
}

/** Throws FilterError or LexicalError, with Apache's message, when the text is no filter. */
export function compileFilter(text: string): MessageFilter {
  const { root, names } = parseFilter(text);
  const evaluate = compile(root);
  return {
    names,
    size: sizeOf(root),
    matches: (values) => {
      try {
        return evaluate(values) === true;
      } catch (error) {
        if (error instanceof NotComparable) return false;
        throw error;
      }
    },
  };
}

function sizeOf(expression: Expression): number {
  switch (expression.kind) {
    case 'constant':
    case 'property':
      return 1;
    case 'negate':
    case 'not':
      return 1 + sizeOf(expression.operand);
    case 'cast':
    case 'in':
      return 2;
    case 'compare':
      return 1 + sizeOf(expression.left) + sizeOf(expression.right);
    case 'logic':
      return expression.operands.reduce((size, operand) => size + sizeOf(operand), 1);
  }
}

type Value = string | number | bigint | boolean;
/** undefined: unknown. */
type Evaluate = (values: PropertyValues) => Value | undefined;
type Type = 'string' | 'int' | 'long' | 'double' | 'boolean' | 'null';

function compile(expression: Expression): Evaluate {
  switch (expression.kind) {
    case 'constant': {
      const value = expression.value ?? undefined;
      return () => value;
    }
    case 'property': {
      const { index } = expression;
      return (values) => values[index];
    }
    case 'negate':
      return negate(expression.operand);
    case 'not': {
      const operand = compile(expression.operand);
      return (values) => {
        const value = operand(values);
        return value === undefined ? undefined : !value;
      };
    }
    case 'cast': {
      const { index } = expression.operand;
      return (values) => (values[index] === undefined ? undefined : false);
    }
    case 'in': {
      const { operand, isNegated } = expression;
      const words = new Set(expression.words);
      return (values) => {
        const value = values[operand.index];
        return value === undefined ? undefined : words.has(value) !== isNegated;
      };
    }
    case 'compare':
      return expression.sign === '==' ? equality(expression) : ordering(expression);
    case 'logic':
      return chain(expression.operands.map(compile), expression.sign === '||');
  }
}

/** Conditions are looked at in turn until one `decides`. */
function chain(operands: readonly Evaluate[], decides: boolean): Evaluate {
  return (values) => {
    let isUnknown = false;
    for (const operand of operands) {
      const value = operand(values);
      if (value === decides) return decides;
      if (value === undefined) isUnknown = true;
    }
    return isUnknown ? undefined : !decides;
  };
}

function negate(operand: Expression): Evaluate {
  const evaluate = compile(operand);
  switch (typeOf(operand)) {
    case 'int':
      return (values) => -(evaluate(values) as number) | 0;
    case 'double':
      return (values) => -(evaluate(values) as number);
    case 'long':
      return (values) => -(evaluate(values) as bigint);
    default:
      // A string is no number, whatever it says.
      return () => undefined;
  }
}

function typeOf(expression: Expression): Type {
  switch (expression.kind) {
    case 'constant':
      return expression.type;
    case 'property':
      return 'string';
    case 'negate': {
      const type = typeOf(expression.operand);
      return type === 'int' || type === 'long' || type === 'double' ? type : 'null';
    }
    default:
      return 'boolean';
  }
}

type Comparison = Extract<Expression, { kind: 'compare' }>;

/** The sides are not alike: an unknown one on the left makes it unknown, on the right false. */
function equality({ left, right }: Comparison): Evaluate {
  const [first, second] = [compile(left), compile(right)];
  const compare = comparator(typeOf(left), typeOf(right));
  return (values) => {
    const a = first(values);
    const b = second(values);
    if (a === undefined) return b === undefined ? true : undefined;
    return b !== undefined && compare(a, b) === 0;
  };
}

function ordering({ sign, left, right }: Comparison): Evaluate {
  const [first, second] = [compile(left), compile(right)];
  const areTexts = typeOf(left) === 'string' && typeOf(right) === 'string';
  const compare = areTexts ? compareAsDoubles : comparator(typeOf(left), typeOf(right));
  const holds = HOLDS[sign];
  return (values) => {
    const a = first(values);
    if (a === undefined) return undefined;
    const b = second(values);
    return b === undefined ? undefined : holds(compare(a, b));
  };
}

const HOLDS: Readonly<Record<ComparisonSign, (order: number) => boolean>> = {
  '==': (order) => order === 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
};

type Compare = (left: Value, right: Value) => number;

/** Properties have an order only as numbers. */
function compareAsDoubles(left: Value, right: Value): number {
  return compareDoubles(parseDouble(left as string), parseDouble(right as string));
}

/** Turns the string into what it is compared with. Booleans take one on the right only. */
const READ: Readonly<Partial<Record<Type, (text: string) => Value>>> = {
  int: parseInt32,
  long: parseInt64,
  double: parseDouble,
  boolean: (text) => text.toLowerCase() === 'true',
};

/** What can have no order at all counts as different, the left one less. */
const DIFFERENT = -1;

function comparator(left: Type, right: Type): Compare {
  if (left === right) return left === 'double' ? (a, b) => compareDoubles(a as number, b as number) : compareLike;
  if (left === 'string') {
    const compare = comparator(right, right);
    return (a, b) => compare(read(right, a), b);
  }
  if (right === 'string') {
    // Apache casts the boolean to a string, which throws.
    if (left === 'boolean') return (_, b) => notComparable(b as string);
    const compare = comparator(left, left);
    return (a, b) => compare(a, read(left, b));
  }
  if (left === 'boolean' || right === 'boolean') return () => DIFFERENT;
  if (left === 'double' || right === 'double') return (a, b) => compareDoubles(Number(a), Number(b));
  return compareLike;
}

function read(type: Type, text: Value): Value {
  return READ[type]?.(text as string) ?? notComparable(text as string);
}

function notComparable(text: string): never {
  throw new NotComparable(text);
}

/** Of one type, or of two kinds of integers. */
function compareLike(left: Value, right: Value): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
