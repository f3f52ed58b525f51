// The oracle for patterns: what libstdc++ says, which is what Nix says.
//   g++ -std=c++20 -O1 -o oracle test/fuzz/regex.oracle.cc
// stdin: lines "hexpattern hexsubject". stdout, a line each: E (invalid), M (too large), T (took longer than 300 ms of processor time), or MATCH;SPLIT (see Answers.ts).
// Keep -std=c++…, not gnu++…: strict mode refuses escapes of ordinary characters, as Nix's build does.
#include <csetjmp>
#include <csignal>
#include <iostream>
#include <regex>
#include <string>
#include <sys/time.h>

// std::regex cannot be interrupted: a jump leaves it, and what it allocated is lost.
static sigjmp_buf beforeCase;

static void onAlarm(int) { siglongjmp(beforeCase, 1); }

static void setAlarm(int milliseconds) {
  itimerval timer{{0, 0}, {0, milliseconds * 1000}};
  setitimer(ITIMER_PROF, &timer, nullptr);
}

static std::string unhex(const std::string &text) {
  std::string bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) bytes.push_back((char)std::stoi(text.substr(i, 2), 0, 16));
  return bytes;
}

static std::string hex(const std::string &bytes) {
  static const char *digits = "0123456789abcdef";
  std::string text = "'";
  for (unsigned char byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

static std::string captures(const std::cmatch &match) {
  std::string text = "[";
  for (size_t i = 1; i < match.size(); i++) text += (match[i].matched ? hex(match[i]) : std::string("n")) + " ";
  return text + "]";
}

static std::string answer(const std::string &pattern, const std::string &subject) {
  std::regex regex(pattern.data(), pattern.size(), std::regex::extended);
  const char *begin = subject.data(), *end = begin + subject.size();
  std::cmatch match;
  std::string text = std::regex_match(begin, end, match, regex) ? captures(match) : "null";
  text += ";";
  for (std::cregex_iterator it(begin, end, regex), none; it != none; ++it)
    text += hex(it->prefix()) + captures(*it) + hex(it->suffix()) + "/";
  return text;
}

int main() {
  signal(SIGPROF, onAlarm);
  std::ios::sync_with_stdio(false);
  std::string line;
  while (std::getline(std::cin, line)) {
    auto blank = line.find(' ');
    std::string pattern = unhex(line.substr(0, blank)), subject = unhex(line.substr(blank + 1));
    if (sigsetjmp(beforeCase, 1)) {
      std::cout << "T\n";
      continue;
    }
    setAlarm(300);
    try {
      std::string text = answer(pattern, subject);
      setAlarm(0);
      std::cout << text << "\n";
    } catch (std::regex_error &error) {
      setAlarm(0);
      std::cout << (error.code() == std::regex_constants::error_space ? "M" : "E") << "\n";
    }
  }
}
