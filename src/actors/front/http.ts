/**
 * The HTTP listener: GET /metrics, GET /healthz, nothing else. It runs in the event loop between the turns of the front
 * actor and touches only what Exposition reads from shared memory.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { StartError } from '../../base/start-error.js';
import { bindFailure } from './bind-failure.js';
import { PORT_KIND } from './connection-messages.js';
import type { Exposition } from './exposition.js';

const MAX_CONNECTIONS = 32;
const MAX_HEADER_BYTES = 8 * 1024;
/** A request has to be here by then; a kept connection may be silent for as long as scrapes are apart. */
const REQUEST_TIMEOUT_MS = 5000;
const KEEP_ALIVE_MS = 65_000;

export interface HttpServer {
  /** Ends the listener and all its connections. */
  close(): void;
}

export interface HttpEvents {
  listening(port: number): void;
  failed(error: StartError): void;
  /** It listens, and cannot accept a connection. */
  troubled(code: string): void;
}

/** The server of this thread. A front actor that crashes cannot close it: the next one does. */
let running: Server | undefined;

export function startHttp(
  where: { readonly host: string; readonly port: number },
  exposition: Exposition,
  events: HttpEvents,
): HttpServer {
  if (running !== undefined) closeServer(running);
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    (request, response) => answer(exposition, request, response),
  );
  running = server;
  server.maxConnections = MAX_CONNECTIONS;
  server.on('error', (error: NodeJS.ErrnoException) => {
    const code = error.code ?? error.message;
    if (server.listening) events.troubled(code);
    else events.failed(bindFailure({ role: 'metrics', host: where.host }, PORT_KIND.main, where.port, code));
  });
  server.listen(where.port, where.host, () => events.listening((server.address() as AddressInfo).port));
  return { close: () => closeServer(server) };
}

function closeServer(server: Server): void {
  if (running === server) running = undefined;
  server.close();
  server.closeAllConnections();
}

function answer(exposition: Exposition, request: IncomingMessage, response: ServerResponse): void {
  const path = request.url?.split('?', 1)[0];
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (isRead && path === '/metrics') {
    exposition.metrics().then(
      (text) => send(response, 200, exposition.contentType, text),
      (error: Error) => send(response, 500, 'text/plain', `metrics cannot be read: ${error.message}\n`),
    );
  } else if (isRead && path === '/healthz') {
    const down = exposition.down();
    if (down.length === 0) send(response, 200, 'text/plain', 'ok\n');
    else send(response, 503, 'text/plain', `not serving: ${down.join(', ')}\n`);
  } else {
    send(response, 404, 'text/plain', 'there are /metrics and /healthz\n');
  }
}

function send(response: ServerResponse, status: number, contentType: string, text: string): void {
  response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}
