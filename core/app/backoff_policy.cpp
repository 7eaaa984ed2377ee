#include "core/app/backoff_policy.h"

#include <string>
#include <utility>

#include "core/app/rate_plans.h"
#include "core/app/session_terms.h"
#include "core/schedule/scheduler.h"

namespace ringpost::app {
namespace {

/// An smtp-pattern-list in the terms of delivery.
class PatternRules final : public ReplyRules {
 public:
  PatternRules(std::shared_ptr<const config::Snapshot> snapshot,
               const config::ReplyPatterns& patterns)
      : snapshot_(std::move(snapshot)), patterns_(patterns) {}

  ReplyVerdict judge(std::uint16_t code, std::string_view text) const override {
    const config::ReplyAction action =
        patterns_.match(std::to_string(code).append(" ").append(text));
    ReplyVerdict verdict;
    if (!action.any()) {
      return verdict;
    }
    verdict.fits = true;
    verdict.mode = action.mode == config::ModeChange::backoff  ? ModeChange::backoff
                   : action.mode == config::ModeChange::normal ? ModeChange::normal
                                                               : ModeChange::none;
    verdict.own_time = action.to_normal_after.has_value();
    verdict.to_normal_after = action.to_normal_after.value_or(Duration{});
    verdict.skip_host = action.skip_mx;
    verdict.bounce_queue = action.bounce_queue;
    verdict.bounce_recipient = action.bounce_rcpt;
    verdict.defer_queue = action.defer_queue;
    verdict.disable_source = action.disable_source_ip.has_value();
    verdict.disable_for = action.disable_source_ip.value_or(Duration{});
    verdict.pattern = action.pattern;
    verdict.place =
        action.line == 0 ? "shipped list" : snapshot_->place({action.file, action.line});
    return verdict;
  }
  bool ends_backoff() const override { return patterns_.ends_backoff(); }

 private:
  std::shared_ptr<const config::Snapshot> snapshot_;  ///< holds the patterns
  const config::ReplyPatterns& patterns_;
};

schedule::RateLimit plain_rate_of(const config::Rate& rate) { return {rate.count, rate.period}; }

/// Where the twin says nothing else there is none.
template <class Limit>
Limit other_than(const Limit& twin, const Limit& normal) {
  return twin == normal ? Limit{} : twin;
}

/// Where permits are asked for each source address, they are those of the twin.
template <class KeyOf>
void set_sources(schedule::QueueLimits& limits, schedule::SharedRates schedule::SourceLimit::*rates,
                 KeyOf key_of) {
  if (limits.by_source == nullptr || (limits.by_source->front().*rates).scope == 0) {
    return;
  }
  auto sources = std::make_shared<std::vector<schedule::SourceLimit>>(*limits.by_source);
  for (schedule::SourceLimit& one : *sources) {
    const std::uint64_t key = key_of(one.ip);
    one.*rates = {key, key, {}};
  }
  limits.by_source = std::move(sources);
}

void set_group_backoff(schedule::QueueLimits& limits, const QueuePolicy& policy,
                       const config::PathPolicy& in) {
  const GroupBackoff of = group_backoff(in);
  const std::string name = policy.group + "/" + policy.vmta;
  const auto scope_key = schedule::Scheduler::scope_key;
  if (of.connections_max != 0) {
    limits.backoff_group = scope_key("group-backoff-connections", name);
    limits.backoff_group_connections_max = of.connections_max;
  }
  if (of.rates_messages()) {
    limits.messages = {};
    limits.octets = {};
    limits.warmup = nullptr;
    const std::uint64_t key = RatePlans::backoff_messages_of(policy.group, policy.vmta);
    limits.shared_messages = {key, key, {}};
    set_sources(limits, &schedule::SourceLimit::shared_messages, [&](const IpAddress& source) {
      return RatePlans::messages_of(policy.group, policy.vmta, source, true);
    });
  }
  if (of.connects.limited()) {
    limits.connects = {};
    limits.connect_gap = {};
    const std::uint64_t key = RatePlans::backoff_connects_of(policy.group, policy.vmta);
    limits.shared_connects = {key, key, {}};
    set_sources(limits, &schedule::SourceLimit::shared_connects, [&](const IpAddress& source) {
      return RatePlans::connects_of(policy.group, policy.vmta, source, true);
    });
  }
}

}  // namespace

GroupBackoff group_backoff(const config::PathPolicy& in) {
  GroupBackoff out;
  if (in.backoff_max_smtp_out != config::kUnlimited && in.backoff_max_smtp_out < in.max_smtp_out) {
    out.connections_max = in.backoff_max_smtp_out;
  }
  out.connects =
      other_than(plain_rate_of(in.backoff_max_connect_rate), plain_rate_of(in.max_connect_rate));
  out.messages = other_than(plain_rate_of(in.backoff_max_msg_rate), plain_rate_of(in.max_msg_rate));
  out.octets = other_than<schedule::ByteLimit>(
      {in.backoff_max_data_rate.bytes, in.backoff_max_data_rate.period},
      {in.max_data_rate.bytes, in.max_data_rate.period});
  return out;
}

void set_reply_meaning(QueuePolicy& out, const config::PathPolicy& in,
                       std::shared_ptr<const config::Snapshot> snapshot) {
  if (in.reply_patterns != nullptr && in.reply_patterns->size() > 0) {
    out.reply_rules = std::make_shared<PatternRules>(std::move(snapshot), *in.reply_patterns);
  }
  out.skip_host_on_421 = in.smtp_421_means_mx_unavailable;
  out.no_mailbox_on_553 = in.smtp_553_means_invalid_mailbox;
  out.bounce_on_5xx_greeting = in.bounce_upon_5xx_greeting;
  out.hosts_tried_max =
      in.mx_connection_attempts == 0 ? config::kUnlimited : in.mx_connection_attempts;
  out.retry_after_dns_error = in.retry_after_dns_error;
  out.retry_curve = {in.retry_growth, in.retry_after_max, in.retry_jitter};
  out.retry_upon_new_mail = in.retry_upon_new_mail;
}

std::shared_ptr<const schedule::BackoffTwin> backoff_twin(const schedule::QueueSettings& normal,
                                                          const config::PathPolicy& in) {
  auto policy = std::make_shared<QueuePolicy>(*normal.policy);
  policy->backoff = true;
  const bool grouped = !policy->group.empty();
  policy->connections_max =
      grouped || in.backoff_max_smtp_out == config::kUnlimited ? 0 : in.backoff_max_smtp_out;
  policy->retry_after.assign(in.backoff_retry_after.begin(), in.backoff_retry_after.end());
  auto twin = std::make_shared<schedule::BackoffTwin>();
  twin->limits = normal.limits;
  if (grouped) {
    set_group_backoff(twin->limits, *policy, in);
  } else {
    twin->limits.messages = plain_rate_of(in.backoff_max_msg_rate);
    twin->limits.octets = {in.backoff_max_data_rate.bytes, in.backoff_max_data_rate.period};
    twin->limits.connects = plain_rate_of(in.backoff_max_connect_rate);
  }
  policy->paced = policy->paced || twin->limits.messages.limited() ||
                  twin->limits.octets.limited() || twin->limits.shared_messages.scope != 0;
  policy->terms = session_terms(*policy, in);
  twin->policy = std::move(policy);
  twin->to_normal_after = in.backoff_to_normal_after;
  twin->ends_on_delivery = in.backoff_to_normal_after_delivery;
  twin->upon_no_source = in.backoff_upon_all_sources_disabled;
  twin->reenable_source_after = in.reenable_source_ip_after;
  return twin;
}

}  // namespace ringpost::app
