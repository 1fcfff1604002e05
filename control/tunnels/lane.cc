#include "control/tunnels/lane.h"

namespace culvert::control {

namespace {

/// How fit a session is to be sent on; 0: not at all.
int fitness(const Contender& contender) {
    if (contender.draining)
        return 0;
    if (contender.exhausted)
        return 1;
    if (contender.proven || contender.active)
        return 3;
    return contender.initiator ? 2 : 0;
}

} // namespace

bool outranks(const Contender& a, const Contender& b, std::optional<bool> own_is_lower) {
    if (a.generation != b.generation)
        return a.generation > b.generation;
    if (a.initiator != b.initiator && own_is_lower)
        return a.initiator == *own_is_lower;
    return a.order > b.order;
}

Settlement settle(std::span<const Contender> contenders, std::optional<bool> own_is_lower) {
    Settlement result;
    int best_fitness = 0;
    for (std::size_t i = 0; i < contenders.size(); ++i) {
        const int fit = fitness(contenders[i]);
        if (fit == 0 || fit < best_fitness)
            continue;
        if (fit > best_fitness || outranks(contenders[i], contenders[*result.active], own_is_lower)) {
            result.active = i;
            best_fitness = fit;
        }
    }
    if (!result.active || !contenders[*result.active].proven)
        return result;

    const Contender& best = contenders[*result.active];
    for (std::size_t i = 0; i < contenders.size(); ++i)
        if (i != *result.active && !contenders[i].draining && outranks(best, contenders[i], own_is_lower))
            result.drain.push_back(i);
    return result;
}

} // namespace culvert::control
