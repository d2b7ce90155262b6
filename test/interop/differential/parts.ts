/** In this order: later parts see what earlier ones left. */
import { administration } from './administration.js';
import { batches } from './batches.js';
import { consumers } from './consumers.js';
import { delayed } from './delayed.js';
import { filters } from './filters.js';
import { locks } from './locks.js';
import { nameServer } from './name-server.js';
import { offsets } from './offsets.js';
import type { Part } from './part.js';
import { properties } from './properties.js';
import { places, pulls } from './pulls.js';
import { queries } from './queries.js';
import { replies } from './replies.js';
import { sendBack } from './send-back.js';
import { sends } from './sends.js';
import { settings } from './settings.js';
import { sql } from './sql.js';
import { transactions } from './transactions.js';
import { unknown } from './unknown.js';

export const PARTS: readonly Part[] = [
  transactions,
  sendBack,
  delayed,
  consumers,
  locks,
  sends,
  batches,
  pulls,
  places,
  filters,
  sql,
  properties,
  offsets,
  queries,
  replies,
  administration,
  unknown,
  settings,
  nameServer,
];
