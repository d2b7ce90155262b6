/** Which codes of 4.9.7 a broker does not know. Apache's knows the access control ones; the others are not its either. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { QUEUE_CODES } from '../../../src/actors/front/queue-codes.js';
import { RequestCode, requestCodeName } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { BrokerDriver } from './driver.js';

/** Access control comes with aclEnable. */
const ACCESS_CONTROL = [
  'UPDATE_AND_CREATE_ACL_CONFIG',
  'DELETE_ACL_CONFIG',
  'GET_BROKER_CLUSTER_ACL_INFO',
  'UPDATE_GLOBAL_WHITE_ADDRS_CONFIG',
  'GET_BROKER_CLUSTER_ACL_CONFIG',
];
/** Defined in RequestCode.java and handled by no broker of 4.9. */
const NOBODY = [
  'QUERY_BROKER_OFFSET',
  'GET_TOPIC_CONFIG_LIST',
  'GET_TOPIC_NAME_LIST',
  'TRIGGER_DELETE_FILES',
  'SUSPEND_CONSUMER',
  'RESUME_CONSUMER',
  'RESET_CONSUMER_OFFSET_IN_CONSUMER',
  'RESET_CONSUMER_OFFSET_IN_BROKER',
  'ADJUST_CONSUMER_THREAD_POOL',
  'WHO_CONSUME_THE_MESSAGE',
  'REGISTER_FILTER_SERVER',
  'REGISTER_MESSAGE_FILTER_CLASS',
];
/** Brokers send them to clients. */
const TO_CLIENTS = [
  'CHECK_TRANSACTION_STATE',
  'NOTIFY_CONSUMER_IDS_CHANGED',
  'RESET_CONSUMER_CLIENT_OFFSET',
  'GET_CONSUMER_STATUS_FROM_CLIENT',
  'PUSH_REPLY_MESSAGE_TO_CLIENT',
];
/** For name servers. */
const NAME_SERVER = [
  'PUT_KV_CONFIG',
  'GET_KV_CONFIG',
  'DELETE_KV_CONFIG',
  'REGISTER_BROKER',
  'UNREGISTER_BROKER',
  'GET_ROUTEINFO_BY_TOPIC',
  'GET_BROKER_CLUSTER_INFO',
  'WIPE_WRITE_PERM_OF_BROKER',
  'GET_ALL_TOPIC_LIST_FROM_NAMESERVER',
  'DELETE_TOPIC_IN_NAMESRV',
  'GET_KVLIST_BY_NAMESPACE',
  'GET_TOPICS_BY_CLUSTER',
  'GET_SYSTEM_TOPIC_LIST_FROM_NS',
  'GET_UNIT_TOPIC_LIST',
  'GET_HAS_UNIT_SUB_TOPIC_LIST',
  'GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST',
  'UPDATE_NAMESRV_CONFIG',
  'GET_NAMESRV_CONFIG',
  'QUERY_DATA_VERSION',
  'ADD_WRITE_PERM_OF_BROKER',
];

const codes = suite('broker: request codes');

codes('every code of 4.9.7 is known but those of access control and those that no broker knows', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  const unknown: string[] = [];
  for (const code of Object.values(RequestCode)) {
    if (QUEUE_CODES.includes(code)) continue;
    broker.send(client, code, {}, { body: '{}' });
    // Some are answered later, or never.
    if (broker.take(client).some(({ command }) => command.code === ResponseCode.REQUEST_CODE_NOT_SUPPORTED)) {
      unknown.push(requestCodeName(code));
    }
  }
  assert.equal(unknown.sort(), [...ACCESS_CONTROL, ...NOBODY, ...TO_CLIENTS, ...NAME_SERVER].sort());
});

codes.run();
