// Plays the transcripts of tests/golden/client and compares every line, with the server's bytes
// arriving whole, one by one, and cut in two at each place. With RINGPOST_GOLDEN_UPDATE set the
// files are written anew, to be read over before they are kept.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/unit/smtp/client_script.h"

namespace ringpost::smtp {

namespace {

std::vector<std::filesystem::path> golden_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(RINGPOST_SOURCE_DIR "/tests/golden/client")) {
    if (entry.path().extension() == ".smtp") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

bool is_setting(const std::string& line) {
  return line.empty() || line[0] == '#' || line.rfind("option:", 0) == 0 ||
         line.rfind("T:", 0) == 0;
}

// Comments, options and transactions stand before the conversation.
std::string settings_of(const std::string& script, bool settings) {
  std::istringstream lines(script);
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    if (is_setting(line) == settings) {
      out += line + "\n";
    }
  }
  return out;
}

// Server lines that arrive together are written before what they cause, so that cutting them
// changes nothing in the transcript.
std::string play(const std::string& script, std::size_t split) {
  ClientScript player(split);
  return player.play(script);
}

class Golden : public testing::TestWithParam<std::filesystem::path> {};

std::string name_of_file(const testing::TestParamInfo<std::filesystem::path>& info) {
  return info.param.stem().string();
}

TEST_P(Golden, PlaysAsWritten) {
  const std::string script = read(GetParam());
  const std::string played = play(script, 0);
  if (std::getenv("RINGPOST_GOLDEN_UPDATE") != nullptr) {
    std::ofstream(GetParam(), std::ios::binary) << settings_of(script, true) << played;
    return;
  }
  EXPECT_EQ(played, settings_of(script, false));
}

TEST_P(Golden, DoesNotCareHowBytesAreCut) {
  const std::string script = read(GetParam());
  const std::string whole = settings_of(script, false);
  EXPECT_EQ(play(script, ClientScript::kEveryOctet), whole);
  std::size_t longest = 0;
  std::size_t run = 0;
  std::istringstream lines(script);
  for (std::string line; std::getline(lines, line);) {
    run = line.rfind("S:", 0) == 0 ? run + line.size() : 0;
    longest = std::max(longest, run);
  }
  for (std::size_t split = 1; split < longest; ++split) {
    ASSERT_EQ(play(script, split), whole) << "cut after " << split << " octets";
  }
}

INSTANTIATE_TEST_SUITE_P(Client, Golden, testing::ValuesIn(golden_files()), name_of_file);

TEST(GoldenFiles, ArePresent) { EXPECT_GE(golden_files().size(), 30U); }

}  // namespace

}  // namespace ringpost::smtp
