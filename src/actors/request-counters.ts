/**
 * Counts requests by code and errors by both codes; each series is looked up once. Codes that the protocol does not know
 * share one series, so that clients cannot make up labels.
 */
import { catalog } from '../../metrics/catalog.js';
import { type Counter, counter, type SeriesMeter } from '../../metrics/meter.js';
import { isRequestCode, requestCodeName } from '../remoting/request-codes.js';
import { responseCodeName } from '../remoting/response-codes.js';

const UNSUPPORTED = 'UNSUPPORTED';

export class RequestCounters {
  private readonly requests = new Map<number, Counter>();
  private readonly errors = new Map<number, Map<number, Counter>>();
  private readonly unsupported: Counter;

  constructor(
    private readonly meter: SeriesMeter,
    private readonly unit: string,
  ) {
    this.unsupported = counter(meter, catalog.requests, { unit, code: UNSUPPORTED });
  }

  /** HOT. A request came. */
  request(code: number): void {
    const known = this.requests.get(code);
    if (known === undefined) this.first(code).add(1);
    else known.add(1);
  }

  /** It was answered with something else than SUCCESS. */
  error(code: number, response: number): void {
    const requestCode = isRequestCode(code) ? code : -1;
    let ofCode = this.errors.get(requestCode);
    if (ofCode === undefined) {
      ofCode = new Map();
      this.errors.set(requestCode, ofCode);
    }
    let found = ofCode.get(response);
    if (found === undefined) {
      found = counter(this.meter, catalog.requestErrors, {
        unit: this.unit,
        code: requestCode < 0 ? UNSUPPORTED : requestCodeName(code),
        response: responseCodeName(response),
      });
      ofCode.set(response, found);
    }
    found.add(1);
  }

  private first(code: number): Counter {
    if (!isRequestCode(code)) return this.unsupported;
    const made = counter(this.meter, catalog.requests, { unit: this.unit, code: requestCodeName(code) });
    this.requests.set(code, made);
    return made;
  }
}
