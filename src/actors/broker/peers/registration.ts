/**
 * Keeps the broker in the routes: registers with every name server at start, again after 10 s, then each period, and at
 * once when topics change (once a turn). A name server that fails is tried again each second. What a name server answers
 * to a slave says where its master is.
 * Source: BrokerController.java (start, registerBrokerAll), BrokerOuterAPI.java.
 */
import { splitAddresses } from '../../../../config/setting.js';
import { BodyProblem, decodeBody } from '../../../remoting/body-codec.js';
import { encodeRegisterBroker, registerBrokerCrc } from '../../../remoting/bodies/register-broker.js';
import { kvTable } from '../../../remoting/bodies/routes.js';
import { encodeHeader } from '../../../remoting/header-table.js';
import { requests } from '../../../remoting/requests.js';
import { ResponseCode } from '../../../remoting/response-codes.js';
import type { Context } from '../../../runtime/actor.js';
import type { Timer } from '../../../runtime/timers.js';
import { haMessages } from '../../ha/messages.js';
import { topicsChanged } from '../tables/create-topic.js';
import { type DataVersion, isSameVersion } from '../tables/data-version.js';
import { type CallParts, type Outcome, type Remote, RemoteFailure, type RemoteResponse } from './remote.js';
import type { BrokerState } from '../state.js';
import { Perm, type TopicConfig } from '../tables/topic-table.js';

const SECOND_ROUND_MS = 10_000;
const RETRY_MS = 1_000;
/** A slave whose master is not known yet asks again sooner: both may just be starting. */
const FIRST_MASTER_RETRY_MS = 20;
const UNREGISTER_TIMEOUT_MS = 1_000;
/** A larger table goes compressed, whatever compressedRegister says: it would not fit into a frame otherwise. */
const PLAIN_BYTES_MAX = 8 * 1024 * 1024;
/** haMasterAddress counts when it can be an address at all, as in Apache. */
const ADDRESS_CHARS_MIN = 6;

interface NameServer {
  readonly address: string;
  /** The table that it was sent last, unless that failed. */
  sent: DataVersion | undefined;
  /** The table that it acknowledged last. */
  acknowledged: DataVersion | undefined;
  inFlight: boolean;
  /** Something changed while a registration was under way. */
  again: boolean;
  isFailing: boolean;
  /** What it says of the master and its replication port; undefined while it knows of none. */
  masterAddr: string | undefined;
  haServerAddr: string | undefined;
  retry: Timer | undefined;
  /** Called when the next registration has ended, well or not. */
  waiting: (() => void)[];
  /** Called when the one under way has. */
  waitingForAnswer: (() => void)[];
}

interface Encoded {
  readonly version: DataVersion;
  readonly permission: number;
  readonly isCompressed: boolean;
  readonly bodyCrc32: number;
  readonly body: Buffer;
}

export class Registration {
  /** Where the master is and where it replicates, as the name servers said last; undefined: no master is alive. */
  masterAddr: string | undefined;
  haServerAddr: string | undefined;
  private state: BrokerState | undefined;
  private nameServers: NameServer[] = [];
  private encoded: Encoded | undefined;
  private isChangeScheduled = false;
  private wasRegistered = false;
  private isClosing = false;
  private masterRetryMs = FIRST_MASTER_RETRY_MS;

  constructor(
    private readonly context: Context,
    private readonly remote: Remote,
    private readonly onRegistered: () => void,
  ) {
    remote.peerClosed = (address) => this.disconnected(address);
  }

  /** Every configured name server has acknowledged the newest table. */
  get isRegistered(): boolean {
    const { state, nameServers } = this;
    return (
      state !== undefined &&
      nameServers.every(
        ({ acknowledged }) => acknowledged !== undefined && isSameVersion(acknowledged, state.topics.version),
      )
    );
  }

  /** The broker's address is known now. */
  start(state: BrokerState): void {
    this.state = state;
    this.nameServers = [...new Set(splitAddresses(state.settings.namesrvAddr))].map((address) => ({
      address,
      sent: undefined,
      acknowledged: undefined,
      inFlight: false,
      again: false,
      isFailing: false,
      masterAddr: undefined,
      haServerAddr: undefined,
      retry: undefined,
      waiting: [],
      waitingForAnswer: [],
    }));
    const { haMasterAddress } = state.settings;
    if (state.isSlave && haMasterAddress.length >= ADDRESS_CHARS_MIN) this.tellHa(haMasterAddress);
    this.registerAll();
    this.checkRegistered();
    this.repeat(SECOND_ROUND_MS);
  }

  /** The topic table changed: registers at the end of this turn. */
  topicsChanged(): void {
    if (this.state === undefined || this.isChangeScheduled || this.isClosing) return;
    this.isChangeScheduled = true;
    this.context.after(0, () => {
      this.isChangeScheduled = false;
      const { version } = this.state!.topics;
      for (const nameServer of this.nameServers) {
        if (nameServer.sent === undefined || !isSameVersion(nameServer.sent, version)) this.register(nameServer);
      }
    });
  }

  /** The master does not answer where the name servers say that it is: it may be elsewhere since. */
  lookForMaster(): void {
    if (this.state !== undefined) this.registerAll();
  }

  /** Calls `done` when every name server has answered a registration with the table as it is now, or has failed to. */
  whenTold(done: () => void): void {
    let left = this.nameServers.length;
    if (left === 0 || this.isClosing) return done();
    const oneLess = (): void => {
      left--;
      if (left === 0) done();
    };
    for (const nameServer of this.nameServers) {
      const { inFlight, sent } = nameServer;
      const isOnItsWay = inFlight && sent !== undefined && isSameVersion(sent, this.state!.topics.version);
      if (isOnItsWay) {
        nameServer.waitingForAnswer.push(oneLess);
      } else {
        nameServer.waiting.push(oneLess);
        this.register(nameServer);
      }
    }
  }

  /** Takes the broker out of the routes; `done` is called when all name servers know, or after a short time. */
  unregister(done: () => void): void {
    this.isClosing = true;
    const { state, nameServers } = this;
    for (const { retry } of nameServers) retry?.cancel();
    const reached = nameServers.filter(({ acknowledged }) => acknowledged !== undefined);
    if (state === undefined || reached.length === 0) return done();
    const { code, header } = requests.unregisterBroker;
    const parts = { code, ext: encodeHeader(header, identity(state)) };
    const left = new Set(reached.map(({ address }) => address));
    // One that must be dialed first could take longer than a stop may.
    const timer = this.context.after(UNREGISTER_TIMEOUT_MS, () => {
      const nameServers = [...left].join(';');
      left.clear();
      this.context.log.warn('not unregistered in time', { nameServers });
      done();
    });
    for (const { address } of reached) {
      this.remote.call(address, parts, NO_BODY, UNREGISTER_TIMEOUT_MS, () => {
        if (!left.delete(address) || left.size > 0) return;
        timer.cancel();
        done();
      });
    }
  }

  /** The connection to a name server is gone, and with it the route through that name server. */
  private disconnected(address: string): void {
    const nameServer = this.nameServers.find((one) => one.address === address);
    if (nameServer === undefined || nameServer.inFlight) return;
    nameServer.sent = undefined;
    nameServer.acknowledged = undefined;
    this.registerLater(nameServer, RETRY_MS);
  }

  private repeat(delayMs: number): void {
    this.context.after(delayMs, () => {
      if (this.isClosing) return;
      this.registerAll();
      this.repeat(this.state!.settings.registerNameServerPeriod);
    });
  }

  private registerAll(): void {
    for (const nameServer of this.nameServers) this.register(nameServer);
  }

  private registerLater(nameServer: NameServer, delayMs: number): void {
    nameServer.retry?.cancel();
    nameServer.retry = this.context.after(delayMs, () => this.register(nameServer));
  }

  private register(nameServer: NameServer): void {
    if (this.isClosing) return;
    if (nameServer.inFlight) {
      nameServer.again = true;
      return;
    }
    nameServer.retry?.cancel();
    nameServer.inFlight = true;
    const state = this.state!;
    const { settings } = state;
    const { version, isCompressed, bodyCrc32, body } = this.encode(state);
    nameServer.sent = version;
    const { code, header } = requests.registerBroker;
    const haHost = state.options.advertisedHost === '' ? settings.brokerIP2 : state.options.advertisedHost;
    const ext = encodeHeader(header, {
      ...identity(state),
      haServerAddr: `${haHost}:${state.haPort}`,
      compressed: isCompressed,
      bodyCrc32,
    });
    nameServer.waitingForAnswer = nameServer.waiting;
    nameServer.waiting = [];
    const parts: CallParts = { code, ext };
    this.remote.call(nameServer.address, parts, body, settings.registerBrokerTimeoutMills, (outcome) => {
      nameServer.inFlight = false;
      const waiting = nameServer.waitingForAnswer;
      nameServer.waitingForAnswer = [];
      const problem = problemOf(outcome);
      if (problem === undefined) this.acknowledged(nameServer, version, outcome as RemoteResponse);
      else this.failed(nameServer, problem);
      for (const told of waiting) told();
    });
  }

  private acknowledged(nameServer: NameServer, version: DataVersion, response: RemoteResponse): void {
    const { address } = nameServer;
    if (nameServer.isFailing) this.context.log.info('registered again', { nameServer: address });
    nameServer.isFailing = false;
    nameServer.acknowledged = version;
    this.useAnswer(nameServer, response);
    if (nameServer.again) {
      nameServer.again = false;
      this.register(nameServer);
    }
    this.checkRegistered();
  }

  private failed(nameServer: NameServer, problem: string): void {
    nameServer.sent = undefined;
    nameServer.acknowledged = undefined;
    nameServer.again = false;
    const waiting = nameServer.waiting;
    nameServer.waiting = [];
    for (const told of waiting) told();
    if (!nameServer.isFailing) {
      this.context.log.warn('not registered, trying again', { nameServer: nameServer.address, because: problem });
    }
    nameServer.isFailing = true;
    if (!this.isClosing) this.registerLater(nameServer, RETRY_MS);
  }

  private checkRegistered(): void {
    if (this.wasRegistered || !this.isRegistered) return;
    this.wasRegistered = true;
    this.onRegistered();
  }

  /** A master learns which topics are ordered, from one name server lest two take turns; a slave where its master is. */
  private useAnswer(nameServer: NameServer, { command, body }: RemoteResponse): void {
    const state = this.state!;
    if (!state.isSlave) {
      if (nameServer === this.nameServers[0] && body.length > 0) this.useOrderTopics(state, body);
      return;
    }
    nameServer.haServerAddr = command.ext.get('haServerAddr');
    nameServer.masterAddr = command.ext.get('masterAddr');
    // Both from one name server: two may know different masters, and the one that is asked must be the one that is followed.
    const knowing = this.nameServers.find(({ masterAddr }) => masterAddr !== undefined);
    const haServerAddr = knowing?.haServerAddr;
    this.masterAddr = knowing?.masterAddr;
    if (this.masterAddr === undefined) {
      this.registerLater(nameServer, this.masterRetryMs);
      if (this.masterRetryMs < RETRY_MS && this.masterRetryMs * 2 >= RETRY_MS) this.tellNoMaster(state);
      this.masterRetryMs = Math.min(RETRY_MS, this.masterRetryMs * 2);
    } else this.masterRetryMs = FIRST_MASTER_RETRY_MS;
    state.slaveSync?.setMaster(this.masterAddr);
    if (haServerAddr === undefined || haServerAddr === this.haServerAddr) return;
    this.haServerAddr = haServerAddr;
    if (state.settings.haMasterAddress.length < ADDRESS_CHARS_MIN) this.tellHa(haServerAddr);
  }

  /** Topics in the name servers' ORDER_TOPIC_CONFIG are marked as ordered, all others as not. */
  private useOrderTopics(state: BrokerState, body: Buffer): void {
    const table = decodeBody(kvTable, body);
    if (table instanceof BodyProblem) {
      this.context.log.warn('order topics of the name server cannot be read', { because: table.text });
      return;
    }
    let isChanged = false;
    for (const topic of state.topics.all()) {
      const order = table.table.has(topic.name);
      if (topic.config === undefined || topic.config.order === order) continue;
      topic.config = { ...topic.config, order };
      isChanged = true;
    }
    if (isChanged) topicsChanged(state);
  }

  private tellNoMaster({ settings: { brokerName } }: BrokerState): void {
    const nameServers = this.nameServers.map(({ address }) => address).join(';');
    this.context.log.warn('no name server knows a master of that name that is alive', { brokerName, nameServers });
  }

  private tellHa(address: string): void {
    const bytes = Buffer.from(address);
    const place = this.context.begin(this.state!.options.ha, haMessages.masterAddress, {}, 0, bytes.length);
    bytes.copy(place.buffer, place.at);
    this.context.end(bytes.length);
  }

  /** The body, made once per version of the table. */
  private encode(state: BrokerState): Encoded {
    const { version } = state.topics;
    const permission = state.settings.brokerPermission;
    const known = this.encoded;
    if (known !== undefined && isSameVersion(known.version, version) && known.permission === permission) return known;
    const table = {
      filterServerList: [],
      topicConfigSerializeWrapper: { dataVersion: version, topicConfigTable: registeredTopics(state, permission) },
    };
    let isCompressed = state.settings.compressedRegister;
    let body = encodeRegisterBroker(table, isCompressed);
    if (body.length > PLAIN_BYTES_MAX && !isCompressed) {
      isCompressed = true;
      body = encodeRegisterBroker(table, true);
    }
    this.encoded = { version, permission, isCompressed, bodyCrc32: registerBrokerCrc(body), body };
    return this.encoded;
  }
}

const NO_BODY = Buffer.alloc(0);

function identity(state: BrokerState) {
  const { brokerName, brokerClusterName: clusterName, brokerId } = state.settings;
  return { brokerName, brokerAddr: state.address, clusterName, brokerId };
}

/** While the broker is not readable and writable as a whole, its topics are registered with its own permission. */
function registeredTopics(state: BrokerState, permission: number): Map<string, TopicConfig> {
  const isOpen = (permission & Perm.READ) !== 0 && (permission & Perm.WRITE) !== 0;
  const registered = new Map<string, TopicConfig>();
  for (const { name, config } of state.topics.all()) {
    if (config !== undefined) registered.set(name, isOpen ? config : { ...config, perm: permission });
  }
  return registered;
}

function problemOf(outcome: Outcome): string | undefined {
  if (outcome instanceof RemoteFailure) return outcome.reason;
  const { code, remark } = outcome.command;
  return code === ResponseCode.SUCCESS ? undefined : `code ${code}, ${remark ?? 'no remark'}`;
}
