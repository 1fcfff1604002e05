#include "crypto/ipsec_mb_engine.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#include <utility>

namespace culvert::crypto {
namespace {

constexpr std::size_t cache_line = 64;
constexpr std::size_t aes_block = 16;

/// Round keys and powers of H lie right behind the head, so that the powers start on a cache line and the
/// algorithm shares its line with the first round keys: one line less to miss for each packet of a cold key.
/// The library loads both unaligned; 64-byte alignment of gcm_key_data would put the powers across lines.
class alignas(cache_line) IpsecMbKey final : public Key {
  public:
    explicit IpsecMbKey(Algorithm algorithm) : Key(algorithm) {}
    ~IpsecMbKey() override { OPENSSL_cleanse(&data, sizeof(data)); }

    alignas(aes_block) gcm_key_data data{};
};
static_assert(sizeof(IpsecMbKey) == 16 * cache_line);

constexpr std::size_t powers_at = cache_line * 4; ///< head and round keys fill four lines
constexpr std::size_t max_powers = 48;            ///< H^48 … H^1 in the VAES layout

/// How much of a key one packet touches, which depends on the code path that the library chose for this CPU.
enum class PowerLayout { eight, eight_and_sums, by_length };

PowerLayout power_layout(const IMB_MGR& manager) {
    constexpr auto vaes = IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ;
    if (manager.used_arch == IMB_ARCH_AVX512 && (manager.features & vaes) == vaes)
        return PowerLayout::by_length;
    if (manager.used_arch == IMB_ARCH_AVX512 || manager.used_arch == IMB_ARCH_AVX2)
        return PowerLayout::eight;
    return PowerLayout::eight_and_sums;
}

void prefetch(const std::uint8_t* from, const std::uint8_t* to) noexcept {
    for (; from < to; from += cache_line)
        asm volatile("prefetcht0 %0" : : "m"(*from)); // GCC 12 drops a function that only has __builtin_prefetch
}

void prefetch_key(const Operation& operation, PowerLayout powers) noexcept {
    const auto* key = reinterpret_cast<const std::uint8_t*>(operation.key);
    const auto* table = key + powers_at;
    prefetch(key, table);
    switch (powers) {
    case PowerLayout::eight:
        return prefetch(table, table + 8 * aes_block);
    case PowerLayout::eight_and_sums:
        return prefetch(table, table + 16 * aes_block);
    case PowerLayout::by_length: {
        // n blocks and the block of lengths take H^(n+1) … H^1, which lie last.
        const std::size_t used = std::min(max_powers, operation.length / aes_block + 2);
        return prefetch(table + (max_powers - used) * aes_block, table + max_powers * aes_block);
    }
    }
}

/// Two operations are about the latency of memory at the smallest packets; more push data out of the first level.
constexpr std::size_t prefetch_distance = 2;

/// The keys of a burst, fetched as its operations come near.
class KeyPrefetcher {
  public:
    KeyPrefetcher(std::span<const Operation> burst, PowerLayout powers) noexcept : burst_(burst), powers_(powers) {
        for (std::size_t i = 0; i < prefetch_distance; ++i)
            fetch(i);
    }
    void before(std::size_t operation) noexcept { fetch(operation + prefetch_distance); }

  private:
    void fetch(std::size_t operation) noexcept {
        if (operation >= burst_.size() || burst_[operation].key == last_)
            return;
        last_ = burst_[operation].key;
        prefetch_key(burst_[operation], powers_);
    }

    std::span<const Operation> burst_;
    PowerLayout powers_;
    const Key* last_ = nullptr;
};

bool equal_in_constant_time(const std::uint8_t* a, const std::uint8_t* b) noexcept {
    static_assert(tag_bytes == 2 * sizeof(std::uint64_t));
    std::uint64_t left[2], right[2];
    std::memcpy(left, a, tag_bytes);
    std::memcpy(right, b, tag_bytes);
    return ((left[0] ^ right[0]) | (left[1] ^ right[1])) == 0;
}

struct FreeManager {
    void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
};
using Manager = std::unique_ptr<IMB_MGR, FreeManager>;

class IpsecMbEngine final : public Engine {
  public:
    explicit IpsecMbEngine(Manager manager)
        : manager_(std::move(manager)), powers_(power_layout(*manager_)),
          seal_{manager_->gcm128_enc, manager_->gcm256_enc}, open_{manager_->gcm128_dec, manager_->gcm256_dec} {}
    ~IpsecMbEngine() override { OPENSSL_cleanse(&scratch_, sizeof(scratch_)); }

    std::string_view name() const noexcept override { return "ipsec-mb"; }

    std::unique_ptr<Key> expand(Algorithm algorithm, std::span<const std::uint8_t> key) override {
        assert(key.size() == key_bytes(algorithm));
        auto expanded = std::make_unique<IpsecMbKey>(algorithm);
        if (algorithm == Algorithm::aes_128_gcm)
            IMB_AES128_GCM_PRE(manager_.get(), key.data(), &expanded->data);
        else
            IMB_AES256_GCM_PRE(manager_.get(), key.data(), &expanded->data);
        return expanded;
    }

    void seal(std::span<Operation> burst) noexcept override {
        KeyPrefetcher keys(burst, powers_);
        for (std::size_t i = 0; i < burst.size(); ++i) {
            keys.before(i);
            run(seal_, burst[i], burst[i].tag);
        }
    }

    std::size_t open(std::span<Operation> burst) noexcept override {
        std::size_t verified = 0;
        alignas(tag_bytes) std::uint8_t tag[tag_bytes];
        KeyPrefetcher keys(burst, powers_);
        for (std::size_t i = 0; i < burst.size(); ++i) {
            Operation& operation = burst[i];
            keys.before(i);
            run(open_, operation, tag);
            operation.verified = equal_in_constant_time(tag, operation.tag);
            verified += operation.verified;
            if (!operation.verified) [[unlikely]] // SP 800-38D §5.2.2: unverified plaintext is not to be had
                std::fill_n(operation.data, operation.length, std::uint8_t{0});
        }
        // What stays of a forgery's right tag on the stack would let a reader of memory forge it.
        OPENSSL_cleanse(tag, sizeof(tag));
        return verified;
    }

  private:
    using OneShot = aes_gcm_enc_dec_t[2]; ///< by Algorithm

    void run(const OneShot& functions, const Operation& operation, std::uint8_t* tag) noexcept {
        const auto& key = static_cast<const IpsecMbKey&>(*operation.key);
        functions[static_cast<std::size_t>(key.algorithm())](&key.data, &scratch_, operation.data, operation.data,
                                                             operation.length, operation.nonce.data(),
                                                             operation.aad, operation.aad_length, tag, tag_bytes);
    }

    Manager manager_;
    PowerLayout powers_;
    OneShot seal_, open_;
    gcm_context_data scratch_{};
};

} // namespace

std::expected<std::unique_ptr<Engine>, std::string> make_ipsec_mb_engine() {
    Manager manager(alloc_mb_mgr(0));
    if (!manager)
        return std::unexpected("ipsec-mb: no memory for its manager");
    constexpr auto needed = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
    if ((manager->features & needed) != needed)
        return std::unexpected("ipsec-mb: this CPU lacks AES-NI or PCLMULQDQ");
    init_mb_mgr_auto(manager.get(), nullptr);
    if (const int error = imb_get_errno(manager.get()); error != 0)
        return std::unexpected(std::string("ipsec-mb: ") + imb_get_strerror(error));
    if ((manager->features & IMB_FEATURE_SELF_TEST) != 0 && (manager->features & IMB_FEATURE_SELF_TEST_PASS) == 0)
        return std::unexpected("ipsec-mb: the library's self-test failed");
    return std::make_unique<IpsecMbEngine>(std::move(manager));
}

} // namespace culvert::crypto
