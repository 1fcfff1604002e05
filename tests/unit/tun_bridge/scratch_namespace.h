#pragma once

#include <optional>
#include <string>

/// Network namespaces for tests on the real kernel.
namespace culvert::testing {

/// Why TUN devices and namespaces can't be made here; nothing: they can. For GTEST_SKIP().
std::optional<std::string> kernel_refusal();

/// A fresh network namespace below /run/netns with its loopback up, removed at the end.
class ScratchNamespace {
  public:
    explicit ScratchNamespace(const std::string& word);
    ~ScratchNamespace();
    ScratchNamespace(const ScratchNamespace&) = delete;
    ScratchNamespace& operator=(const ScratchNamespace&) = delete;

    const std::string& name() const { return name_; }
    /// Runs a shell command inside; its exit status.
    int run(const std::string& command) const;
    /// Its standard output.
    std::string output(const std::string& command) const;

  private:
    std::string name_;
};

} // namespace culvert::testing
