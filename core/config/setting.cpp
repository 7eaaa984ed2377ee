#include "core/config/setting.h"

#include <array>
#include <type_traits>

#include "core/base/assert.h"

namespace ringpost::config {
namespace {

template <class T>
T as(const Value& value) {
  if constexpr (!std::is_same_v<T, bool> && (std::is_integral_v<T> || std::is_enum_v<T>)) {
    return static_cast<T>(as<std::int64_t>(value));
  } else {
    const T* held = std::get_if<T>(&value);
    RP_ASSERT_NOTE(held != nullptr, "an option row's value type does not fit its member");
    return *held;
  }
}

template <>
std::int64_t as<std::int64_t>(const Value& value) {
  const auto* held = std::get_if<std::int64_t>(&value);
  RP_ASSERT_NOTE(held != nullptr, "an option row's value type does not fit its member");
  return *held;
}

template <class Owner>
struct Field {
  OptionId id;
  void (*set)(Owner&, const Value&);
};

template <auto Member>
struct Access;
template <class Owner, class T, T Owner::*Member>
struct Access<Member> {
  static void set(Owner& owner, const Value& value) { owner.*Member = as<T>(value); }
};

/// Setters by setting, so that applying one is an array access.
template <class Owner, std::size_t N>
class Fields {
 public:
  constexpr explicit Fields(const Field<Owner> (&fields)[N]) {
    for (const Field<Owner>& field : fields) {
      setters_[static_cast<std::size_t>(field.id)] = field.set;
    }
  }
  bool apply(Owner& to, OptionId id, const Value& value) const {
    const auto set = setters_[static_cast<std::size_t>(id)];
    if (set != nullptr) {
      set(to, value);
    }
    return set != nullptr;
  }

 private:
  std::array<void (*)(Owner&, const Value&), kOptionCount> setters_{};
};

using Id = OptionId;
using P = PathPolicy;
using S = SourcePolicy;
using G = GlobalSettings;

template <auto Member>
constexpr auto kSet = &Access<Member>::set;

constexpr Field<P> kPolicyFields[] = {
    {Id::max_smtp_out, kSet<&P::max_smtp_out>},
    {Id::max_per_host_out, kSet<&P::max_per_host_out>},
    {Id::max_msg_rate, kSet<&P::max_msg_rate>},
    {Id::max_connect_rate, kSet<&P::max_connect_rate>},
    {Id::pacing, kSet<&P::pacing>},
    {Id::max_msg_per_connection, kSet<&P::max_msg_per_connection>},
    {Id::max_rcpt_per_message, kSet<&P::max_rcpt_per_message>},
    {Id::max_errors_per_connection, kSet<&P::max_errors_per_connection>},
    {Id::retry_after, kSet<&P::retry_after>},
    {Id::retry_recipients_after, kSet<&P::retry_recipients_after>},
    {Id::retry_after_dns_error, kSet<&P::retry_after_dns_error>},
    {Id::retry_upon_new_mail, kSet<&P::retry_upon_new_mail>},
    {Id::bounce_after, kSet<&P::bounce_after>},
    {Id::expire_while_paused, kSet<&P::expire_while_paused>},
    {Id::smtp_hosts, kSet<&P::route>},
    {Id::default_smtp_port, kSet<&P::default_smtp_port>},
    {Id::queue_to, kSet<&P::queue_to>},
    {Id::allow_private_mx, kSet<&P::allow_private_mx>},
    {Id::bounce_upon_no_mx, kSet<&P::bounce_upon_no_mx>},
    {Id::bounce_upon_5xx_greeting, kSet<&P::bounce_upon_5xx_greeting>},
    {Id::mx_connection_attempts, kSet<&P::mx_connection_attempts>},
    {Id::smtp_421_means_mx_unavailable, kSet<&P::smtp_421_means_mx_unavailable>},
    {Id::smtp_553_means_invalid_mailbox, kSet<&P::smtp_553_means_invalid_mailbox>},
    {Id::connect_timeout, kSet<&P::connect_timeout>},
    {Id::smtp_greeting_timeout, kSet<&P::smtp_greeting_timeout>},
    {Id::reply_timeout, kSet<&P::reply_timeout>},
    {Id::data_initiation_timeout, kSet<&P::data_initiation_timeout>},
    {Id::data_send_timeout, kSet<&P::data_send_timeout>},
    {Id::data_termination_timeout, kSet<&P::data_termination_timeout>},
    {Id::multiple_line_timeout, kSet<&P::multiple_line_timeout>},
    {Id::assume_delivery_upon_timeout, kSet<&P::assume_delivery_upon_timeout>},
    {Id::idle_timeout, kSet<&P::idle_timeout>},
    {Id::ignore_8bitmime, kSet<&P::ignore_8bitmime>},
    {Id::ignore_chunking, kSet<&P::ignore_chunking>},
    {Id::ignore_pipelining, kSet<&P::ignore_pipelining>},
    {Id::ignore_dsn, kSet<&P::ignore_dsn>},
    {Id::eight_bit_fallback, kSet<&P::eight_bit_fallback>},
    {Id::pipeline_window, kSet<&P::pipeline_window>},
    {Id::require_starttls, kSet<&P::require_starttls>},
    {Id::delivery_type, kSet<&P::type>},
};

constexpr Field<S> kSourceFields[] = {
    {Id::smtp_service, kSet<&S::smtp_service>},
    {Id::always_allow_relaying, kSet<&S::always_allow_relaying>},
    {Id::require_auth, kSet<&S::require_auth>},
    {Id::max_message_size, kSet<&S::max_message_size>},
    {Id::max_message_hops, kSet<&S::max_message_hops>},
    {Id::source_max_rcpt_per_message, kSet<&S::max_rcpt_per_message>},
    {Id::bare_newlines, kSet<&S::bare_newlines>},
    {Id::smtp_command_timeout, kSet<&S::smtp_command_timeout>},
    {Id::smtp_data_timeout, kSet<&S::smtp_data_timeout>},
    {Id::allow_chunking, kSet<&S::allow_chunking>},
    {Id::allow_smtputf8, kSet<&S::allow_smtputf8>},
    {Id::default_virtual_mta, kSet<&S::default_virtual_mta>},
    {Id::allow_virtual_mta, kSet<&S::allow_virtual_mta>},
    {Id::process_x_virtual_mta, kSet<&S::process_x_virtual_mta>},
    {Id::retain_x_virtual_mta, kSet<&S::retain_x_virtual_mta>},
    {Id::reject_invalid_virtual_mta, kSet<&S::reject_invalid_virtual_mta>},
    {Id::process_x_job, kSet<&S::process_x_job>},
    {Id::retain_x_job, kSet<&S::retain_x_job>},
    {Id::jobid_header, kSet<&S::jobid_header>},
    {Id::process_x_envid, kSet<&S::process_x_envid>},
    {Id::add_received_header, kSet<&S::add_received_header>},
    {Id::hide_message_source, kSet<&S::hide_message_source>},
    {Id::remove_received_headers, kSet<&S::remove_received_headers>},
    {Id::remove_header, kSet<&S::remove_header>},
    {Id::add_message_id_header, kSet<&S::add_message_id_header>},
    {Id::add_date_header, kSet<&S::add_date_header>},
};

constexpr Field<G> kGlobalFields[] = {
    {Id::control_socket, kSet<&G::control_socket>},
    {Id::shards, kSet<&G::shards>},
    {Id::cpu_pinning, kSet<&G::cpu_pinning>},
    {Id::log_file, kSet<&G::log_file>},
    {Id::total_max_smtp_out, kSet<&G::total_max_smtp_out>},
    {Id::total_max_smtp_in, kSet<&G::total_max_smtp_in>},
    {Id::largest_message, kSet<&G::max_message_size>},
    {Id::shutdown_timeout, kSet<&G::shutdown_timeout>},
    {Id::journal_max, kSet<&G::journal_max>},
    {Id::spool_segment_size, kSet<&G::spool_segment_size>},
    {Id::spool_spare, kSet<&G::spool_spare>},
    {Id::settle_sync_interval, kSet<&G::settle_sync_interval>},
    {Id::unsettled_max, kSet<&G::unsettled_max>},
    {Id::zero_copy_threshold, kSet<&G::zero_copy_threshold>},
};

constexpr Field<VirtualMta> kVmtaFields[] = {
    {Id::helo_domain, kSet<&VirtualMta::helo>},
    {Id::vmta_max_smtp_out, kSet<&VirtualMta::max_smtp_out>},
    {Id::vmta_max_msg_rate, kSet<&VirtualMta::max_msg_rate>},
    {Id::vmta_max_connect_rate, kSet<&VirtualMta::max_connect_rate>},
};

constexpr Field<SpoolFolder> kSpoolFields[] = {
    {Id::spool_deliver_only, kSet<&SpoolFolder::deliver_only>},
    {Id::spool_min_free_space, kSet<&SpoolFolder::min_free_space>},
};

constexpr Field<AcctFile> kAcctFields[] = {
    {Id::acct_records, kSet<&AcctFile::records>},
    {Id::acct_fields, kSet<&AcctFile::fields>},
    {Id::acct_sync_interval, kSet<&AcctFile::sync_interval>},
};

constexpr Fields kPolicy(kPolicyFields);
constexpr Fields kSource(kSourceFields);
constexpr Fields kGlobal(kGlobalFields);
constexpr Fields kVmta(kVmtaFields);
constexpr Fields kSpool(kSpoolFields);
constexpr Fields kAcct(kAcctFields);

std::string format_list(const Value& value) {
  std::string out;
  if (const auto* steps = std::get_if<std::span<const Duration>>(&value)) {
    for (const Duration step : *steps) {
      out.append(out.empty() ? "" : ",").append(format_duration(step));
    }
  } else if (const auto* names = std::get_if<std::span<const std::string_view>>(&value)) {
    for (const std::string_view name : *names) {
      out.append(out.empty() ? "" : ",").append(name);
    }
  }
  return out;
}

std::string format_route(const StaticRoute* route) {
  std::string out;
  if (route == nullptr) {
    return "\"\"";
  }
  for (std::size_t i = 0; i < route->hops.size(); ++i) {
    const RouteHop& hop = route->hops[i];
    if (i > 0) {
      out += hop.preference == route->hops[i - 1].preference ? "," : ";";
    }
    if (hop.kind == RouteHop::Kind::address) {
      out.append(hop.address.is_v4() ? "[" : "[IPv6:").append(hop.address.text()).append("]");
    } else {
      out.append(hop.kind == RouteHop::Kind::mx ? "lookup-mx:" : "").append(hop.name);
    }
    if (hop.port != 0) {
      out += ":" + std::to_string(hop.port);
    }
  }
  return out;
}

std::string format_integer(const OptionRow& row, std::int64_t number) {
  const std::vector<std::string_view> choices = split_words(row.choices);
  if (row.type == ValueType::choice) {
    return std::string(choices[static_cast<std::size_t>(number)]);
  }
  if (row.type == ValueType::size) {
    return format_size(static_cast<std::uint64_t>(number));
  }
  if (number == 0 && !choices.empty()) {
    return std::string(choices[0]);
  }
  return format_count(static_cast<std::uint32_t>(number));
}

}  // namespace

bool apply(PathPolicy& to, OptionId id, const Value& value) { return kPolicy.apply(to, id, value); }
bool apply(SourcePolicy& to, OptionId id, const Value& value) {
  return kSource.apply(to, id, value);
}
bool apply(VirtualMta& to, OptionId id, const Value& value) { return kVmta.apply(to, id, value); }
bool apply(SpoolFolder& to, OptionId id, const Value& value) { return kSpool.apply(to, id, value); }
bool apply(AcctFile& to, OptionId id, const Value& value) { return kAcct.apply(to, id, value); }
bool apply(GlobalSettings& to, OptionId id, const Value& value) {
  return kGlobal.apply(to, id, value);
}

std::string format_value(const OptionRow& row, const Value& value) {
  if (row.is(kSecret)) {
    return "**";
  }
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    return format_integer(row, *number);
  }
  if (const auto* yes = std::get_if<bool>(&value)) {
    return *yes ? "yes" : "no";
  }
  if (const auto* length = std::get_if<Duration>(&value)) {
    if (row.type == ValueType::bool_or_duration && (length->ns == 0 || length->is_forever())) {
      return length->ns == 0 ? "yes" : "no";
    }
    return format_duration(*length);
  }
  if (const auto* rate = std::get_if<Rate>(&value)) {
    return format_rate(*rate);
  }
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    return text->empty() ? "\"\"" : std::string(*text);
  }
  if (const auto* route = std::get_if<const StaticRoute*>(&value)) {
    return format_route(*route);
  }
  return format_list(value);
}

}  // namespace ringpost::config
