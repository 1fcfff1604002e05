#pragma once

#include "control/api/gateway.h"

#include <string>
#include <string_view>

namespace culvert::control {

struct ApiRequest {
    std::string_view method; ///< "GET"
    std::string_view target; ///< "/v1/peers/tokyo", perhaps with a query
    std::string_view body;
};

struct ApiAnswer {
    unsigned status = 200; ///< RFC 9110 §15
    std::string content_type = "application/json";
    std::string allow; ///< methods that the resource knows; with status 405 (RFC 9110 §15.5.6)
    std::string body;
    /// The answer is the event feed and has no end; `body` is empty.
    bool follows_events = false;
};

ApiAnswer error_answer(unsigned status, std::string_view sentence);

/// Finds the resource and asks the gateway. Never throws: what goes wrong becomes an answer.
ApiAnswer answer(Gateway& gateway, const ApiRequest& request) noexcept;

} // namespace culvert::control
