#include "control/configuration/sections.h"

#include "control/configuration/credentials.h"
#include "control/configuration/value_syntax.h"

#include <array>
#include <system_error>

namespace culvert::control {
namespace {

constexpr std::int64_t least_mtu = 576, most_mtu = 9600;

std::vector<dataplane::Prefix> only_prefixes(const std::vector<ListedPrefix>& listed) {
    std::vector<dataplane::Prefix> prefixes;
    for (const auto& each : listed)
        prefixes.push_back(each.prefix);
    return prefixes;
}

} // namespace

std::filesystem::path resolved(const std::filesystem::path& folder, const std::string& path) {
    return path.empty() ? std::filesystem::path{} : (folder / path).lexically_normal();
}

GatewaySection read_gateway(TableReader& reader, const std::filesystem::path& folder) {
    GatewaySection section;
    section.name =
        read_parsed(reader, "name",
                    reader.required_string("name", "write name = \"…\": how this gateway is called"), parse_name);
    section.certificate = resolved(folder, reader.string("certificate").value_or(""));
    section.private_key = resolved(folder, reader.string("private_key").value_or(""));
    const bool certificate = reader.has("certificate"), key = reader.has("private_key");
    if (certificate != key)
        reader.complain(certificate ? "private_key" : "certificate", "is missing",
                        "certificate and private_key go together; \"culvertctl keygen NAME\" writes both");
    if (!section.certificate.empty()) {
        const auto facts = read_certificate(section.certificate);
        if (!facts)
            reader.complain("certificate", facts.error().problem, facts.error().advice);
        const auto own = read_own_certificate(section.certificate, section.private_key);
        const auto problem =
            facts ? (own ? std::nullopt : std::optional(own.error())) : secret_file_problem(section.private_key);
        if (problem && !section.private_key.empty())
            reader.complain("private_key", problem->problem, problem->advice);
    }
    reader.refuse_unknown_keys();
    return section;
}

ControlSection read_control(TableReader& reader) {
    static constexpr std::array<std::string_view, 5> levels{"trace", "debug", "info", "warning", "error"};
    ControlSection section;
    if (const auto path = reader.string("socket")) {
        section.socket = *path;
        if (!section.socket.is_absolute() || path->size() > 107) // sun_path, less its terminating zero
            reader.complain("socket", in_quotes(*path) + " can't be a socket's path",
                            "write an absolute path of at most 107 characters");
    }
    section.socket_group = reader.string("socket_group").value_or(section.socket_group);
    section.handshake_threads = reader.number<std::uint16_t>("handshake_threads", 1, 64).value_or(1);
    section.log_level = reader.choice("log_level", levels).value_or(section.log_level);
    reader.refuse_unknown_keys();
    return section;
}

PortDraft read_port(TableReader reader) {
    static constexpr std::array<std::string_view, 2> drivers{"af_packet", "af_xdp"};
    PortDraft draft{{}, std::move(reader), {}};
    TableReader& in = draft.reader;
    auto& settings = draft.section.settings;
    if (const auto device = in.required_string(
            "device",
            "write a PCI address (\"0000:3b:00.0\"), \"kernel:\" and an interface, or a DPDK vdev (\"net_…\")")) {
        settings.device = *device;
        const auto name = parse_device(*device);
        settings.name = name.value_or(*device);
        in.rename("port." + settings.name);
        if (!name)
            in.complain("device", name.error().problem, name.error().advice);
    }
    const bool known = !settings.device.empty();
    settings.driver = in.choice("driver", drivers).value_or(settings.driver);
    if (known && in.has("driver") && !settings.is_kernel_interface())
        in.complain("driver", "is only for a kernel interface",
                    "leave it out: DPDK finds this device's driver itself");
    settings.mtu = in.number<std::uint16_t>("mtu", least_mtu, most_mtu).value_or(settings.mtu);
    settings.vlan = in.number<std::uint16_t>("vlan", 1, 4094).value_or(settings.vlan);
    settings.kernel_port = read_parsed(in, "kernel_port", in.string("kernel_port"), parse_interface_name);
    if (known && in.has("kernel_port") && settings.shared_with_kernel())
        in.complain("kernel_port", "is only for a device that DPDK owns",
                    "leave it out: the kernel keeps its own packets of " + settings.name);
    draft.addresses = read_prefixes(in, "address", parse_address);
    draft.section.addresses = only_prefixes(draft.addresses);
    if (known && !in.has("address") && !settings.shared_with_kernel()) // af_xdp takes the whole interface, too
        in.complain("address", "is missing",
                    "write address = [\"…/24\"]: the outer addresses of a device that DPDK owns");
    in.refuse_unknown_keys();
    return draft;
}

TunDraft read_tun(TableReader reader) {
    TunDraft draft{{}, std::move(reader), {}};
    TableReader& in = draft.reader;
    auto& section = draft.section;
    const auto name = in.required_string("name", "write name = \"cv0\": the interface that carries inner packets");
    if (name)
        in.rename("tun." + *name);
    section.name = read_parsed(in, "name", name, parse_interface_name);
    draft.addresses = read_prefixes(in, "address", parse_address);
    section.addresses = only_prefixes(draft.addresses);
    section.mtu = in.number<std::uint16_t>("mtu", least_mtu, most_mtu).value_or(0);
    section.queues = in.number<std::uint16_t>("queues", 1, 64).value_or(1);
    section.offloads = in.boolean("offloads").value_or(true);
    section.network_namespace = read_parsed(in, "namespace", in.string("namespace"), parse_name);
    std::error_code ignored;
    if (const auto& space = section.network_namespace;
        parse_name(space) && !std::filesystem::exists("/run/netns/" + space, ignored))
        in.complain("namespace", "there is no namespace " + in_quotes(space) + " below /run/netns",
                    "ip netns add " + space);
    in.refuse_unknown_keys();
    return draft;
}

ListenDraft read_listen(TableReader reader) {
    static constexpr std::array<std::string_view, 1> formats{"dtls"};
    ListenDraft draft{{}, std::move(reader)};
    draft.section.format = draft.reader.choice("format", formats).value_or(draft.section.format);
    if (const auto port = draft.reader.number<std::uint16_t>("port", 1, 65535)) {
        draft.section.port = *port;
        draft.reader.rename("listen." + std::to_string(*port));
    } else if (draft.reader.has("port")) {
        draft.section.port = 0; // not 4433: it would clash with another's
    }
    draft.reader.refuse_unknown_keys();
    return draft;
}

} // namespace culvert::control
