#include "control/handshake/credential_store.h"

#include "control/configuration/credentials.h"

#include <algorithm>
#include <cstring>
#include <openssl/crypto.h>
#include <unordered_set>

namespace culvert::control {
namespace {

std::uint64_t head(const Pin& pin) {
    std::uint64_t result = 0;
    std::memcpy(&result, pin.data(), sizeof result);
    return result;
}

bool same(const PeerCredentials& one, const PeerCredentials& other) {
    return one.name == other.name && one.pins == other.pins &&
           std::ranges::equal(one.psk.bytes(), other.psk.bytes());
}

template <typename Map>
void erase_value(Map& map, const typename Map::key_type& key, const PeerPointer& peer) {
    const auto [begin, end] = map.equal_range(key);
    for (auto it = begin; it != end;)
        it = it->second == peer ? map.erase(it) : std::next(it);
}

} // namespace

bool has_pin(const PeerCredentials& peer, const Pin& pin) {
    bool found = false;
    for (const Pin& one : peer.pins)
        found |= CRYPTO_memcmp(one.data(), pin.data(), pin.size()) == 0;
    return found;
}

std::vector<PeerHandle> CredentialStore::replace(std::vector<PeerCredentials> peers) {
    std::unordered_set<PeerHandle> wanted;
    for (const PeerCredentials& peer : peers)
        wanted.insert(peer.peer);
    std::vector<PeerHandle> changed;
    for (const auto& [handle, peer] : peers_)
        if (!wanted.contains(handle))
            changed.push_back(handle);
    for (const PeerHandle handle : changed)
        remove(handle);
    for (PeerCredentials& peer : peers) {
        const PeerHandle handle = peer.peer;
        if (set(std::move(peer)))
            changed.push_back(handle);
    }
    return changed;
}

bool CredentialStore::set(PeerCredentials peer) {
    const PeerPointer before = find(peer.peer);
    if (before && same(*before, peer))
        return false;
    if (before)
        unindex(before);
    const auto after = std::make_shared<const PeerCredentials>(std::move(peer));
    peers_[after->peer] = after;
    index(after);
    return before != nullptr;
}

bool CredentialStore::remove(PeerHandle handle) {
    const PeerPointer peer = find(handle);
    if (!peer)
        return false;
    unindex(peer);
    peers_.erase(handle);
    return true;
}

PeerPointer CredentialStore::find(PeerHandle peer) const {
    const auto found = peers_.find(peer);
    return found == peers_.end() ? nullptr : found->second;
}

PeerPointer CredentialStore::by_pin(const Pin& pin) const {
    const auto [begin, end] = by_pin_.equal_range(head(pin));
    for (auto it = begin; it != end; ++it)
        if (has_pin(*it->second, pin))
            return it->second;
    return nullptr;
}

PeerPointer CredentialStore::by_psk_identity(std::string_view identity) const {
    const auto found = by_identity_.find(std::string(identity));
    return found == by_identity_.end() ? nullptr : found->second;
}

void CredentialStore::index(const PeerPointer& peer) {
    for (const Pin& pin : peer->pins)
        by_pin_.emplace(head(pin), peer);
    if (peer->psk.empty())
        return;
    by_identity_.emplace(psk_identity(peer->psk), peer);
    by_identity_.emplace(peer->name, peer);
}

void CredentialStore::unindex(const PeerPointer& peer) {
    for (const Pin& pin : peer->pins)
        erase_value(by_pin_, head(pin), peer);
    if (peer->psk.empty())
        return;
    erase_value(by_identity_, psk_identity(peer->psk), peer);
    erase_value(by_identity_, peer->name, peer);
}

} // namespace culvert::control
