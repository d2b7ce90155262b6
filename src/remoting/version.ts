/**
 * Which client wrote a frame: its language and its version, both small integers on the wire.
 * Sources: LanguageCode.java (NODE_JS is 5.x only), MQVersion.java.
 */

/** Code of a language on the wire; in JSON headers it is the name. */
export const Language = {
  JAVA: 0,
  CPP: 1,
  DOTNET: 2,
  PYTHON: 3,
  DELPHI: 4,
  ERLANG: 5,
  RUBY: 6,
  OTHER: 7,
  HTTP: 8,
  GO: 9,
  PHP: 10,
  OMS: 11,
  RUST: 12,
  NODE_JS: 13,
} as const;

/** Names by code: `languageNames[9]` is `GO`. */
export const languageNames: readonly string[] = Object.keys(Language);

/** `GO` for 9; what a newer client invents is `OTHER`. */
export function languageName(code: number): string {
  return languageNames[code] ?? 'OTHER';
}

/** What every frame of ours says: 4.9.7, the release whose behaviour is the reference. */
export const OUR_VERSION = 407;

/** Versions at which the protocol changed; a peer with `version >= one of these` knows the change. */
export const VersionSince = {
  /** REGISTER_BROKER carries the filter server list around the topic table. */
  REGISTER_WITH_FILTER_SERVERS: 37,
  /** Clients know RESET_CONSUMER_CLIENT_OFFSET and GET_CONSUMER_STATUS_FROM_CLIENT (3.0.7). */
  CLIENT_OFFSETS: 28,
  /** Clients answer GET_CONSUMER_RUNNING_INFO. */
  CONSUMER_RUNNING_INFO: 62,
  /** CONSUMER_SEND_MSG_BACK's maxReconsumeTimes is meant. */
  MAX_RECONSUME_TIMES: 121,
  /** Route bodies are read with standard JSON keys (4.9.4). */
  STANDARD_JSON_ROUTE: 401,
  /** Compressed REGISTER_BROKER bodies end with queue mappings (5.0.0). */
  REGISTER_WITH_QUEUE_MAPPING: 413,
} as const;

/** Runs of ordinals: each patch release has two slots, its SNAPSHOT first. Up to 3.0.0 the names are irregular. */
const RUNS: readonly { first: number; major: number; minor: number; firstPatch: number }[] = [
  { first: 16, major: 3, minor: 0, firstPatch: 1 },
  { first: 46, major: 3, minor: 1, firstPatch: 0 },
  { first: 66, major: 3, minor: 2, firstPatch: 0 },
  { first: 86, major: 3, minor: 3, firstPatch: 1 },
  { first: 104, major: 3, minor: 4, firstPatch: 1 },
  { first: 122, major: 3, minor: 5, firstPatch: 1 },
  { first: 140, major: 3, minor: 6, firstPatch: 1 },
  { first: 158, major: 3, minor: 7, firstPatch: 1 },
  { first: 176, major: 3, minor: 8, firstPatch: 1 },
  { first: 194, major: 3, minor: 9, firstPatch: 1 },
  ...Array.from({ length: 20 }, (_, index) => ({
    first: 212 + 20 * index,
    major: 4 + Math.floor(index / 10),
    minor: index % 10,
    firstPatch: 0,
  })),
];

const BEFORE_3_0_1 = [
  ...['SNAPSHOT', 'ALPHA1', 'BETA1', 'BETA2', 'BETA3', 'BETA4', 'BETA5', 'BETA6_SNAPSHOT', 'BETA6', 'BETA7_SNAPSHOT'],
  ...['BETA7', 'BETA8_SNAPSHOT', 'BETA8', 'BETA9_SNAPSHOT', 'BETA9', 'FINAL'],
];

/** First ordinal after 5.9.9. */
const HIGHER_VERSION = 612;

/** `V4_9_7` for 407. Beyond the table it is `HIGHER_VERSION`, as Java's MQVersion.getVersionDesc says. */
export function versionText(version: number): string {
  if (version >= HIGHER_VERSION) return 'HIGHER_VERSION';
  const run = RUNS.findLast((candidate) => candidate.first <= version);
  if (run === undefined) return `V3_0_0_${BEFORE_3_0_1[Math.max(0, version)]}`;
  const slot = version - run.first;
  const patch = run.firstPatch + (slot >> 1);
  return `V${run.major}_${run.minor}_${patch}${(slot & 1) === 0 ? '_SNAPSHOT' : ''}`;
}
