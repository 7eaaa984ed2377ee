#include "core/app/cli_views.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/app/table.h"

namespace ringpost::app {
namespace {

using Json = nlohmann::json;

constexpr WallTime kToday{1'795'000'000'000'000};  // 2026-11-18 11:06:40

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

/// A row with something long in every column.
Json full_row(const View& view, int number) {
  Json row = {{"days", 30}, {"next", "100000/h"}, {"counts", true}, {"day", number}};
  for (const ViewColumn& column : view.columns) {
    switch (column.kind) {
      case CellKind::count: row[column.key] = 1'234'567; break;
      case CellKind::time: row[column.key] = kToday.unix_seconds() + 86'400 * number; break;
      case CellKind::text:
      case CellKind::name:
        row[column.key] = std::string(column.key) + " of some length, number " +
                          std::to_string(number) + ", and more";
        break;
    }
  }
  return row;
}

TEST(Views, FitATerminalOfEightyColumns) {
  for (const View& view : views()) {
    const Json rows = {full_row(view, 1), full_row(view, 2)};
    const auto told = view_text(view, rows, {}, 80, kToday);
    ASSERT_TRUE(told.ok()) << view.name;
    for (const std::string& line : lines_of(*told)) {
      EXPECT_LE(line.size(), 80U) << view.name << ": " << line;
    }
    for (const ViewColumn& column : view.columns) {
      if (column.kind == CellKind::count) {
        EXPECT_NE(told->find("1234567"), std::string::npos) << "numbers are never cut";
      }
    }
    const auto whole = view_text(view, rows, {}, 0, kToday);
    ASSERT_TRUE(whole.ok());
    EXPECT_EQ(lines_of(*whole).size(), 3U) << view.name << ": a line each where lines are long";
    EXPECT_EQ(whole->find("..."), std::string::npos);
  }
}

TEST(Views, AreSortedFilteredAndLimited) {
  const View& view = *find_view("topqueues");
  Json rows = Json::array();
  for (int i = 0; i < 30; ++i) {
    rows.push_back({{"queue", "q" + std::to_string(i)}, {"queued", i}, {"ready", 100 - i}});
  }
  std::string text = *view_text(view, rows, {}, 80, kToday);
  EXPECT_EQ(lines_of(text)[1].substr(0, 4), "q29 ");
  EXPECT_EQ(lines_of(text).back(), "20 of 30 rows; --limit shows more");
  ViewOptions how;
  how.sort = "-ready";
  how.match = "Q1";
  how.limit = 2;
  text = *view_text(view, rows, how, 80, kToday);
  EXPECT_EQ(lines_of(text)[1].substr(0, 3), "q1 ");
  EXPECT_EQ(lines_of(text)[2].substr(0, 4), "q10 ");
  EXPECT_EQ(Json::parse(*view_json(view, rows, how)).size(), 2U);
  how.sort = "colour";
  EXPECT_FALSE(view_text(view, rows, how, 80, kToday).ok());
  how = {};
  how.match = "nothing like it";
  EXPECT_EQ(*view_text(view, rows, how, 80, kToday), "no queues\n");
}

TEST(Views, ADayOfWarmUpSortsByItsNumber) {
  const Json rows = {{{"queue", "a/v"}, {"day", 10}, {"days", 14}},
                     {{"queue", "b/v"}, {"day", 3}, {"days", 14}}};
  ViewOptions how;
  how.sort = "day";
  const auto text = view_text(*find_view("warmup"), rows, how, 0, kToday);
  EXPECT_LT(text->find("3 of 14"), text->find("10 of 14"));
}

TEST(Views, ASourceAddressHasALineForEachReasonAndOneRowInJson) {
  const Json rows = {{{"vmta", "v1"}, {"address", "192.0.2.1"}, {"off", Json::array()}},
                     {{"vmta", "v2"},
                      {"address", "192.0.2.2"},
                      {"off",
                       {{{"reason", "missing"}, {"queue", ""}, {"until", 0}, {"text", "x"}},
                        {{"reason", "command"}, {"queue", "a/v2"}, {"until", 0}, {"text", "y"}}}}}};
  const View& view = *find_view("sources");
  EXPECT_EQ(lines_of(*view_text(view, rows, {}, 0, kToday)).size(), 4U);
  EXPECT_EQ(Json::parse(*view_json(view, rows, {})), rows);
  ViewOptions how;
  how.match = "command";
  EXPECT_EQ(Json::parse(*view_json(view, rows, how)).size(), 1U);
}

TEST(Views, TimesAreShortWhereLinesAre) {
  const Json rows = {{{"id", "i"},
                      {"since", kToday.unix_seconds()},
                      {"until", kToday.unix_seconds() + 86'400},
                      {"reason", std::string(70, 'r')}}};
  const std::string text = *view_text(*find_view("backoff"), rows, {}, 60, kToday);
  EXPECT_NE(text.find(" 11:06:40"), std::string::npos) << text;
  EXPECT_NE(text.find("11-19 11:06"), std::string::npos) << text;
  EXPECT_EQ(text.find("2026"), std::string::npos) << text;
}

TEST(Table, WhatIsToBeTypedAgainIsNeverCut) {
  Table table({"id", "text"});
  table.never_cut(0);
  table.add({std::string(26, 'i'), std::string(60, 't')});
  EXPECT_EQ(lines_of(table.text(40))[1], std::string(26, 'i') + "  " + std::string(9, 't') + "...");
}

TEST(Table, CutsBetweenCharactersAndBreaksTitles) {
  Table table({"row", "first of all", "number of things"});
  table.add({"r", "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc", "7"});
  const auto lines = lines_of(table.text(27));
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0], "                     number");
  EXPECT_EQ(lines[1], "                         of");
  EXPECT_EQ(lines[2].substr(0, 17), "row  first of all");
  EXPECT_EQ(lines[3].substr(5, 13), "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6...");
}

}  // namespace
}  // namespace ringpost::app
