/**
 * The servers that the interop tests are about. HANGAR_INTEROP=apache runs the same tests against Apache's, which proves
 * the tests themselves.
 */
import { apacheServers } from '../../support/apache.js';
import { hangarServers } from '../../support/hangar.js';
import type { Servers } from './servers.js';

export const underTest: Servers = process.env.HANGAR_INTEROP === 'apache' ? apacheServers : hangarServers;
