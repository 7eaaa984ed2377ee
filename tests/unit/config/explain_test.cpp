#include "core/config/explain.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/unit/config/support.h"

namespace ringpost::config {
namespace {

const ExplainedSetting& setting(const std::vector<ExplainedSetting>& settings,
                                std::string_view name) {
  const auto found = std::find_if(settings.begin(), settings.end(),
                                  [name](const auto& s) { return s.name == name; });
  EXPECT_NE(found, settings.end()) << name;
  return found == settings.end() ? settings.front() : *found;
}

constexpr const char* kText =
    "<domain *>\nmax-smtp-out 9\nretry-after 10m,1h\n</domain>\n"
    "<domain a.example>\nmax-smtp-out 4\n</domain>\n"
    "<virtual-mta v>\nmax-msg-rate 200/h\n<domain *>\nmax-smtp-out 2\n</domain>\n</virtual-mta>\n"
    "<virtual-mta-pool p>\nvirtual-mta v\n</virtual-mta-pool>\n"
    "<domain b.example>\nqueue-to shared.q\n</domain>\n"
    "<domain shared.q>\nsmtp-hosts [192.0.2.1]:26\n</domain>\n";

TEST(Explain, NamesTheLineThatSetAValueAndWhatItOverrode) {
  const auto snapshot = test::load(kText);
  const Result<Explanation> explanation = explain(*snapshot, "A.example", "v");
  ASSERT_TRUE(explanation.ok());
  EXPECT_EQ(explanation->queue, "a.example/v");
  const ExplainedSetting& out = setting(explanation->queue_settings, "max-smtp-out");
  EXPECT_EQ(out.effective.value, "2");
  EXPECT_EQ(out.effective.place, "ringpost.conf:11");
  EXPECT_EQ(out.effective.section, "<domain *> in <virtual-mta v>");
  ASSERT_EQ(out.overridden.size(), 2u);
  EXPECT_EQ(out.overridden[0].value, "4");
  EXPECT_EQ(out.overridden[0].section, "<domain a.example>");
  EXPECT_EQ(out.overridden[1].place, "ringpost.conf:2");
  EXPECT_EQ(setting(explanation->queue_settings, "retry-after").effective.value, "10m,1h");
  const ExplainedSetting& fallback = setting(explanation->queue_settings, "bounce-after");
  EXPECT_EQ(fallback.effective.value, "4d12h");
  EXPECT_EQ(fallback.effective.place, "default");
  const ExplainedSetting& whole = setting(explanation->vmta_settings, "max-msg-rate");
  EXPECT_EQ(whole.effective.value, "200/h");
  EXPECT_EQ(whole.effective.place, "ringpost.conf:9");
}

TEST(Explain, FollowsQueueTo) {
  const auto snapshot = test::load(kText);
  const Result<Explanation> explanation = explain(*snapshot, "b.example", "");
  ASSERT_TRUE(explanation.ok());
  EXPECT_EQ(explanation->queue, "shared.q/{default}");
  EXPECT_EQ(explanation->redirected_by, "ringpost.conf:18");
  EXPECT_EQ(setting(explanation->queue_settings, "smtp-hosts").effective.value, "[192.0.2.1]:26");
  const std::string text = render_text(*explanation);
  EXPECT_NE(text.find("b.example is delivered by the queue shared.q/{default}"), std::string::npos);
}

TEST(Explain, EveryQueueSettingIsShownAndAgreesWithThePolicy) {
  const auto snapshot = test::load(kText);
  const Result<Explanation> explanation = explain(*snapshot, "a.example", "v");
  ASSERT_TRUE(explanation.ok());
  EXPECT_GT(explanation->queue_settings.size(), 35u);
  const PathPolicy policy = test::policy(*snapshot, "a.example", "v");
  EXPECT_EQ(setting(explanation->queue_settings, "max-smtp-out").effective.value,
            format_count(policy.max_smtp_out));
  EXPECT_EQ(setting(explanation->queue_settings, "connect-timeout").effective.value,
            format_duration(policy.connect_timeout));
}

TEST(Explain, FaultyQuestions) {
  const auto snapshot = test::load(kText);
  EXPECT_EQ(explain(*snapshot, "a.example", "nobody").error().code, ErrorCode::not_found);
  EXPECT_EQ(explain(*snapshot, "a.example", "p").error().code, ErrorCode::not_found);
  EXPECT_EQ(explain(*snapshot, "", "v").error().code, ErrorCode::invalid);
}

TEST(Explain, Json) {
  const auto snapshot = test::load(kText);
  const std::string json = render_json(*explain(*snapshot, "a.example", "v"));
  EXPECT_NE(json.find("\"max-smtp-out\": {"), std::string::npos);
  EXPECT_NE(json.find("\"overrides\": ["), std::string::npos);
}

}  // namespace
}  // namespace ringpost::config
