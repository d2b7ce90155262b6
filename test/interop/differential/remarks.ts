/**
 * Remarks that we word otherwise than Apache, on purpose: clients look at the code, people read the remark. Each row has to
 * be seen in a run.
 */
export interface Wording {
  readonly apache: RegExp;
  readonly ours: RegExp;
  readonly because: string;
  isSeen: boolean;
}

const row = (apache: RegExp, ours: RegExp, because: string): Wording => ({ apache, ours, because, isSeen: false });

export const REMARKS: readonly Wording[] = [
  row(
    /./,
    /^the header field (<\w+>( \(\w+\))?( or |, )?)+ is (missing|not an? .*)$/,
    'names the field; Apache says what came of it',
  ),
  row(/^Exception was thrown when putting message back to/, /^no message with the id \w* in /, 'says why'),
  row(/^Cannot invoke ".*" because .* is null$/, /^filters are of type TAG or SQL92, not /, 'says what there is'),
  row(/^$/, /^org.apache.rocketmq.filter.parser.ParseException: Encountered "<EOF>"/, 'says why'),
  row(
    /^broker unable to service, until TIME$/,
    /^broker unable to service, until \d+ \(epoch ms\)$/,
    'a number: setting it takes one',
  ),
  row(/^Can not update config path$/, /^Can not update config in black list\.$/, 'as later releases of Apache say it'),
  row(/^not set any response code$/, /^$/, 'what Apache forgot to take away from a success'),
  row(
    /^request queueId\[-?\d+\] is illegal, TopicConfig \[/,
    /^request queueId\[-?\d+\] is illegal, topic \S+ has -?\d+ write queues$/,
    'says what is wrong and not all that is known of the topic',
  ),
  row(
    /^queueId\[-?\d+\] is illegal, topic:\[.*\] topicConfig.readQueueNums:\[\d+\] consumer:\[ADDR\]$/,
    /^queueId\[-?\d+\] is illegal, topic:\[.*\] topicConfig.readQueueNums:\[\d+\] consumer:\[.*\]$/,
    'names the group, and not the address',
  ),
  row(
    /^the message is illegal, maybe msg body or properties length not matched/,
    /^the message is illegal, maybe msg body or properties length not matched.*this one has \d+.*this one has \d+$/,
    'says the lengths as well',
  ),
  row(
    /^the message is illegal, maybe msg body or properties length not matched/,
    /^a batch may not hold delayed or transactional messages: send them one by one$/,
    'says which of them',
  ),
  row(
    /^the consumer's group info not exist\n/,
    /^the consumer's group info not exist, .*: send a heartbeat first$/,
    'says what to do',
  ),
  row(/^the consumer's subscription not latest$/, /^the consumer's subscription not latest, \S+ \S+$/, 'names it'),
  row(
    /^the consumer's subscription not exist\n/,
    /^the consumer's subscription not exist, \S+ does not subscribe \S+$/,
    'names it',
  ),
];
