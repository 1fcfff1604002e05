#pragma once

#include <expected>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace culvert::control {

struct Reply {
    unsigned status = 0; ///< HTTP's
    std::string body;
    bool good() const { return status >= 200 && status < 300; }
};

/// Speaks to a running gateway over its socket, one connection a request. Errors are one sentence: nobody answers.
class Client {
  public:
    explicit Client(std::filesystem::path socket) : socket_(std::move(socket)) {}

    std::expected<Reply, std::string> request(std::string_view method, std::string_view target,
                                              std::string_view body = {}) const;

    /// Hands each line of an endless answer to `each`, until it says false (then the reply is good), or the
    /// gateway refuses, or goes.
    std::expected<Reply, std::string> follow(std::string_view target,
                                             const std::function<bool(std::string_view line)>& each) const;

  private:
    std::filesystem::path socket_;
};

} // namespace culvert::control
