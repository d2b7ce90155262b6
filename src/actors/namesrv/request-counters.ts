/** Counts requests by code and errors by both codes; each series is looked up once. */
import { catalog } from '../../../metrics/catalog.js';
import { type Counter, counter, type SeriesMeter } from '../../../metrics/meter.js';
import { type ResponseCode, responseCodeName } from '../../remoting/response-codes.js';

export class RequestCounters {
  private readonly requests = new Map<string, Counter>();
  private readonly errors = new Map<string, Map<ResponseCode, Counter>>();

  constructor(
    private readonly meter: SeriesMeter,
    private readonly unit: string,
  ) {}

  /** `code` is one of a bounded set of names, whatever clients send. */
  request(code: string): Counter {
    let found = this.requests.get(code);
    if (found === undefined) {
      found = counter(this.meter, catalog.requests, { unit: this.unit, code });
      this.requests.set(code, found);
    }
    return found;
  }

  error(code: string, response: ResponseCode): Counter {
    let ofCode = this.errors.get(code);
    if (ofCode === undefined) {
      ofCode = new Map();
      this.errors.set(code, ofCode);
    }
    let found = ofCode.get(response);
    if (found === undefined) {
      found = counter(this.meter, catalog.requestErrors, {
        unit: this.unit,
        code,
        response: responseCodeName(response),
      });
      ofCode.set(response, found);
    }
    return found;
  }
}
