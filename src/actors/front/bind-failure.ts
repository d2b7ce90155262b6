/** What the operator reads when a port cannot be had: role, port, and what to do. */
import { StartError } from '../../base/start-error.js';
import { PORT_KIND } from './connection-messages.js';

const PORT_NAMES: Readonly<Record<number, string>> = {
  [PORT_KIND.main]: 'port',
  [PORT_KIND.vip]: 'VIP port (port - 2)',
  [PORT_KIND.ha]: 'HA port (port + 1)',
};

export function bindFailure(
  role: { readonly role: string; readonly host: string },
  portKind: number,
  port: number,
  code: string,
): StartError {
  const which = `${role.role}: ${PORT_NAMES[portKind]} ${port} on ${role.host}`;
  return new StartError(`${which} cannot be used: ${remedy(port, role.host, code)}`);
}

function remedy(port: number, host: string, code: string): string {
  switch (code) {
    case 'EADDRINUSE':
      return port === 0
        ? 'no free port was found whose neighbours are free too; start with fixed ports'
        : `another process listens there (ss -ltnp shows which); stop it, or start with --port-offset N or --ephemeral`;
    case 'EACCES':
      return 'this user may not listen there; choose a port above 1023';
    case 'EADDRNOTAVAIL':
      return `${host} is no address of this machine; correct --host or brokerIP1`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the name ${host} has no address; correct --host or brokerIP1`;
    case 'ERANGE':
      return 'ports go from 1 to 65535; choose another listenPort';
    default:
      return `the system says ${code}; choose another address or port`;
  }
}
