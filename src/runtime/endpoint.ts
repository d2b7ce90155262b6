/**
 * Comlink over a worker_threads port. Comlink's own adapter is not in its package's export map, and a parked worker
 * has to be rung awake for every message.
 */
import type { Endpoint } from 'comlink';

/** The one event that Comlink looks at. */
type Listener =
  | ((event: { readonly data: unknown }) => void)
  | { handleEvent(event: { readonly data: unknown }): void };

interface Port {
  postMessage(message: unknown, transfer?: readonly never[]): void;
  on(event: 'message', listener: (data: unknown) => void): unknown;
  off(event: 'message', listener: (data: unknown) => void): unknown;
}

export function nodeEndpoint(port: Port, afterPost: () => void = () => undefined): Endpoint {
  const listeners = new WeakMap<object, (data: unknown) => void>();
  const endpoint = {
    postMessage: (message: unknown, transfer?: unknown) => {
      port.postMessage(message, transfer as readonly never[]);
      afterPost();
    },
    addEventListener: (_type: string, listener: Listener) => {
      const receive = (data: unknown): void => {
        if (typeof listener === 'function') listener({ data });
        else listener.handleEvent({ data });
      };
      listeners.set(listener, receive);
      port.on('message', receive);
    },
    removeEventListener: (_type: string, listener: Listener) => {
      const receive = listeners.get(listener);
      if (receive !== undefined) port.off('message', receive);
      listeners.delete(listener);
    },
  };
  // Comlink's type speaks of the browser's EventListener.
  return endpoint as unknown as Endpoint;
}
