#include "core/app/cli_pages.h"

#include <vector>

namespace ringpost::app {
namespace {

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

/// Positionals, or the others, in the order they were declared; the help flag is left out.
std::vector<const CLI::Option*> options_of(const CLI::App& app, bool positional) {
  std::vector<const CLI::Option*> out;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional() == positional && option != app.get_help_ptr()) {
      out.push_back(option);
    }
  }
  return out;
}

std::string upper(std::string text) {
  for (char& c : text) {
    c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return text;
}

/// Text for troff: backslashes, hyphens that are to be typed, and a dot that begins a line.
std::string troff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) {
      out += "\\&";
      out += c;
    } else {
      out += c;
    }
  }
  return out;
}

std::string sentence(const std::string& text) {
  return troff(text) + (text.empty() || text.back() == '?' ? "" : ".");
}

void add_option(std::string& page, const CLI::Option& option) {
  page += ".TP\n.B " + troff(option.get_name(false, true));
  if (option.get_expected_max() > 0) {
    page += " \\fI" + (option.get_expected_min() == 0 ? std::string("[N]") : "VALUE") + "\\fR";
  }
  page += "\n" + troff(option.get_description()) + "\n";
}

void add_commands(std::string& page, const CLI::App& app, const std::string& path) {
  for (const CLI::App* command : commands_of(app)) {
    const std::string name = path + " " + command->get_name();
    if (!commands_of(*command).empty()) {
      add_commands(page, *command, name);
      continue;
    }
    std::string words;
    for (const CLI::Option* option : options_of(*command, true)) {
      const std::string word = "\\fI" + troff(upper(option->get_name())) + "\\fR";
      words += option->get_required() ? " " + word : " [" + word + "]";
    }
    page += ".SS " + troff(name) + words + "\n" + sentence(command->get_description()) + "\n";
    for (const CLI::Option* option : options_of(*command, true)) {
      page += ".TP\n.I " + troff(upper(option->get_name())) + "\n" +
              troff(option->get_description()) + "\n";
    }
    for (const CLI::Option* option : options_of(*command, false)) {
      add_option(page, *option);
    }
  }
}

/// One case of the script for each command: the words that may follow it.
void add_cases(std::string& script, const CLI::App& app, const std::string& path) {
  std::string words;
  for (const CLI::App* command : commands_of(app)) {
    words += words.empty() ? command->get_name() : " " + command->get_name();
  }
  for (const CLI::Option* option : options_of(app, false)) {
    words += (words.empty() ? "--" : " --") + option->get_lnames().front();
  }
  script += "    '" + path + "') words='" + words + "' ;;\n";
  for (const CLI::App* command : commands_of(app)) {
    add_cases(script, *command,
              path.empty() ? command->get_name() : path + " " + command->get_name());
  }
}

}  // namespace

std::string man_page(const CLI::App& app) {
  std::string page =
      ".TH RINGPOST 1 \"\" \"Ringpost\" \"Ringpost\"\n"
      ".SH NAME\nringpost \\- asks and commands a running ringpostd, and checks its files\n"
      ".SH SYNOPSIS\n.B ringpost\n[\\fIoptions\\fR] \\fIcommand\\fR [\\fIarguments\\fR]\n"
      ".SH DESCRIPTION\n"
      "Commands that need the daemon ask it over its control socket; the others work on files.\n"
      "Patterns of queues are \\fIDOMAIN\\fR[/\\fIVMTA\\fR] with * as wildcard.\n"
      ".SH OPTIONS\n";
  for (const CLI::Option* option : options_of(app, false)) {
    add_option(page, *option);
  }
  page += ".SH COMMANDS\n";
  add_commands(page, app, "ringpost");
  page +=
      ".SH EXIT STATUS\n"
      "0: done; 1: refused, or the file has faults; 2: no daemon or file to work on.\n"
      "Arguments that make no command give another code, above 100.\n"
      ".SH ENVIRONMENT\n.TP\n.B RINGPOST_CONTROL\nThe control socket, unless \\-\\-control names "
      "it.\n"
      ".SH SEE ALSO\n.BR ringpost.conf (5)\n";
  return page;
}

std::string bash_completion(const CLI::App& app) {
  std::string script =
      "# bash completion for ringpost: source it, or install it as\n"
      "# /usr/share/bash-completion/completions/ringpost\n"
      "_ringpost() {\n"
      "  local path='' words='' word\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case \"$word\" in -*) continue ;; esac\n"
      "    path=${path:+$path }$word\n"
      "  done\n"
      "  case \"$path\" in\n";
  add_cases(script, app, "");
  script +=
      "  esac\n"
      "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\")\n"
      "}\n"
      "complete -o default -F _ringpost ringpost\n";
  return script;
}

}  // namespace ringpost::app
