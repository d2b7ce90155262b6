/**
 * What Apache reads from Java system properties (-D) and from the file of tls.config.file, under the same names. A Node.js
 * process has no system properties: here they stand in the role's file, where Apache ignores them.
 * Source: TlsSystemConfig.java of 4.9.7; DefaultMessageStore, NettyDecoder and PlainPermissionManager for the last ones.
 */
import { flag, later, oneOf, refuseTrue, refuseValue, type SettingTable, text, without } from './setting.js';

const TLS = 'TLS';
const NO_SYSTEM_PROPERTIES = 'set namesrvAddr';

export const javaSettings = {
  'tls.server.mode': oneOf(
    ['disabled', 'permissive', 'enforcing'],
    'permissive',
    refuseValue('enforcing', 'TLS is not there yet, plain text would be served'),
    'Whether listeners take plain text, TLS or both.',
  ),
  'tls.enable': flag(
    false,
    refuseTrue('outgoing TLS is not there yet, registrations would be sent in plain text'),
    'Use TLS for outgoing connections.',
  ),
  'tls.test.mode.enable': flag(true, later(TLS), 'Make a certificate and trust every other.'),
  'tls.config.file': text('/etc/rocketmq/tls.properties', later(TLS), 'File that the keys below are read from.'),
  'tls.server.need.client.auth': oneOf(['none', 'optional', 'require'], 'none', later(TLS), 'Ask clients for theirs.'),
  'tls.server.keyPath': text('', later(TLS), "Server's private key."),
  'tls.server.keyPassword': text('', later(TLS), 'Its password.', { secret: true }),
  'tls.server.certPath': text('', later(TLS), "Server's certificate."),
  'tls.server.authClient': flag(false, later(TLS), "Check clients' certificates."),
  'tls.server.trustCertPath': text('', later(TLS), 'Certificates that they are checked against.'),
  'tls.client.keyPath': text('', later(TLS), 'Private key for outgoing connections.'),
  'tls.client.keyPassword': text('', later(TLS), 'Its password.', { secret: true }),
  'tls.client.certPath': text('', later(TLS), 'Certificate for outgoing connections.'),
  'tls.client.authServer': flag(false, later(TLS), "Check servers' certificates."),
  'tls.client.trustCertPath': text('', later(TLS), 'Certificates that they are checked against.'),
  'rocketmq.namesrv.addr': text('', without(NO_SYSTEM_PROPERTIES), 'Name servers.'),
  'rocketmq.namesrv.domain': text('', without(NO_SYSTEM_PROPERTIES), 'Address server.'),
  'rocketmq.namesrv.domain.subgroup': text('', without(NO_SYSTEM_PROPERTIES), 'Path on the address server.'),
  'rocketmq.serialize.type': oneOf(
    ['JSON', 'ROCKETMQ'],
    'JSON',
    without('a request is answered in its own header format'),
    'Header format of answers.',
  ),
  'com.rocketmq.remoting.frameMaxLength': text('16777216', without('always 16 MiB'), 'Largest frame.'),
  'rocketmq.broker.diskSpaceWarningLevelRatio': text('0.90', without('set diskSpaceWarningLevelRatio'), 'See there.'),
  'rocketmq.broker.diskSpaceCleanForciblyRatio': text('0.85', without('set diskSpaceCleanForciblyRatio'), 'See there.'),
  'rocketmq.broker.multiPathSplitter': text(',', without('one commit log directory'), 'Joins commit log directories.'),
  'rocketmq.acl.plain.file': text('/conf/plain_acl.yml', later('access control'), 'File of the access rules.'),
} as const satisfies SettingTable;
