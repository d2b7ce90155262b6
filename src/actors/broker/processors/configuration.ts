/** The broker's own settings as tools see and change them. Source: AdminBrokerProcessor.updateBrokerConfig. */
import { dataVersion } from '../../../remoting/bodies/tables.js';
import { encodeText } from '../../../remoting/body-codec.js';
import { encodeHeader } from '../../../remoting/header-table.js';
import { requests } from '../../../remoting/requests.js';
import { answerLater, LATER, OK, okText, on, peer } from './answer.js';

export const configurationProcessors = [
  on(requests.getBrokerConfig, ({ configuration, settings, port, haPort }) => ({
    // Port 0 means any free one: the answer says which.
    ...okText(configuration.text({ ...settings, listenPort: port, haListenPort: haPort })),
    ext: encodeHeader(requests.getBrokerConfig.response, { version: encodeText(dataVersion, configuration.version) }),
  })),

  on(requests.updateBrokerConfig, (state, _header, { body, connection }) => {
    const { context, configuration, registration } = state;
    context.log.info('settings update', { by: peer(connection) });
    const permission = state.settings.brokerPermission;
    const refused = configuration.update(state, body.toString('utf8'));
    if (refused !== undefined) return refused;
    if (state.settings.brokerPermission === permission) return OK;
    // Every topic's permission in the routes follows: the answer waits for the name servers.
    const answered = answerLater(state, connection);
    registration.whenTold(() => answered(OK));
    return LATER;
  }),
] as const;
