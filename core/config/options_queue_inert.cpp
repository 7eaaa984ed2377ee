#include "core/config/option_rows.h"

namespace ringpost::config {
namespace {

using T = ValueType;

constexpr ScopeSet kDomain = in(Scope::domain);

constexpr OptionRow kLimitRows[] = {
    inert("allow-priority-interruption-during-transfer", kDomain, T::boolean, why::kPriority,
          "The same within a message."),
    inert("allow-cancel-during-transfer", kDomain, T::boolean,
          "a stop waits for transfers up to shutdown-timeout", "Lets a stop cut transfers."),
};

constexpr OptionRow kOldRows[] = {
    inert("smtp-tls-allow-sslv3", kDomain, T::boolean, why::kDead, "Uses SSL 3."),
    inert("dk-sign", kDomain, T::boolean, why::kDead, "Signs with DomainKeys."),
    inert("dkim-query-method", kDomain, T::text, "there is one method, dns/txt",
          "How the key is asked for."),
    inert("log-disabled-ips", kDomain, T::boolean, "each disabled source address is logged",
          "Logs disabled source addresses."),
};

constexpr OptionRow kDeliveryRows[] = {
    inert("http-delivery-url", kDomain, T::text, why::kByHttp, "Where mail is posted."),
    inert("http-delivery-extra-headers", kDomain, T::path, why::kByHttp,
          "Header lines of such a post."),
    inert("bounce-upon-pix-transfer-failure", kDomain, T::boolean, why::kDialogue,
          "The same behind an old firewall."),
    inert("pix-bug-workaround", kDomain, T::boolean, why::kDead, "Puts up with an old firewall."),
    inert("replace-smtp-421-service-response", kDomain, T::boolean, why::kDialogue,
          "Replaces the text of a 421."),
    inert("dsn-format", kDomain, T::word, why::kDsn, "Form of notifications."),
    inert("bcc-upon-delivery", kDomain, T::word, why::kCopies, "Address that gets copies."),
    inert("check-spf-outbound", kDomain, T::boolean, why::kChecks,
          "Sends only what SPF allows us."),
    inert("track-recipient-events", kDomain, T::boolean, why::kEvents,
          "Remembers each recipient's events."),
    inert("max-events-recorded", kDomain, T::count, why::kEvents, "Errors remembered per queue."),
    inert("log-messages", kDomain, T::boolean, why::kDead, "Logs messages."),
    inert("remove-header", kDomain, T::name_list, why::kHeaders, "Fields removed.", kContinues),
    inert("add-x-msys-api-header", kDomain, T::boolean, why::kVendor, "Adds a vendor's field."),
    inert("sparkpost-sandbox", kDomain, T::boolean, why::kVendor, "Uses the vendor's sandbox."),
    inert("sparkpost-ip-pool", kDomain, T::text, why::kVendor, "Pool at the vendor."),
    inert("bounce-address", kDomain, T::text, why::kDead, "Return path."),
    inert("add-gm-token", kDomain, T::boolean, why::kDead, "Adds a token."),
    inert("check-mfrom-outbound", kDomain, T::boolean, why::kDead, "Checks the sender's domain."),
    inert("check-pra-outbound", kDomain, T::boolean, why::kDead, "Checks the From's domain."),
};

}  // namespace

void add_queue_inert_rows(OptionRows& rows) {
  add_rows(rows, kLimitRows);
  add_rows(rows, kOldRows);
  add_rows(rows, kDeliveryRows);
}

}  // namespace ringpost::config
