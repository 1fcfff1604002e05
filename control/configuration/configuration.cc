#include "control/configuration/configuration.h"

#include "control/configuration/cross_checks.h"
#include "control/configuration/sections.h"
#include "control/configuration/whole_file.h"

#include <cstring>

namespace culvert::control {
namespace {

constexpr std::size_t largest_file = 256U << 20; ///< 100,000 peers take some 30 MiB

const toml::table empty_table;

/// [name]: at most once; an empty table where it is absent or wrong.
TableReader single_table(TableReader& root, Problems& problems, std::string_view name) {
    const toml::node* value = root.any(name);
    const toml::table* table = value == nullptr ? nullptr : value->as_table();
    if (value != nullptr && table == nullptr)
        root.complain_of_type(name, *value, "a table", "write [" + std::string(name) + "] with single brackets");
    return {table == nullptr ? empty_table : *table, std::string(name), problems};
}

/// [[name]]: a reader for each.
std::vector<TableReader> table_list(TableReader& root, Problems& problems, std::string_view name) {
    std::vector<TableReader> readers;
    const toml::node* value = root.any(name);
    if (value == nullptr)
        return readers;
    const toml::array* list = value->as_array();
    const std::string advice = "write [[" + std::string(name) + "]] with double brackets";
    if (list == nullptr) {
        root.complain_of_type(name, *value, "a list of tables", advice);
        return readers;
    }
    for (std::size_t i = 0; i < list->size(); ++i) {
        if (const toml::table* table = (*list)[i].as_table())
            readers.emplace_back(*table, std::string(name) + "[" + std::to_string(i) + "]", problems);
        else
            root.complain(name, i, "is " + std::string(type_name((*list)[i])) + ", but should be a table", advice);
    }
    return readers;
}

/// All [[…]] sections, drawn up and checked against each other.
class Lists {
  public:
    Lists(TableReader& root, Problems& problems, const std::filesystem::path& folder, bool has_certificate) {
        for (auto& reader : table_list(root, problems, "port"))
            ports_.push_back(read_port(std::move(reader)));
        for (auto& reader : table_list(root, problems, "tun"))
            tuns_.push_back(read_tun(std::move(reader)));
        for (auto& reader : table_list(root, problems, "listen"))
            listens_.push_back(read_listen(std::move(reader)));
        for (auto& reader : table_list(root, problems, "peer"))
            peers_.push_back(read_peer(std::move(reader), folder));
        require_some(root);
        check_ports(ports_);
        check_tuns(tuns_, ports_);
        check_listens(listens_);
        PeerSurroundings surroundings{{}, has_certificate, !listens_.empty()};
        for (const auto& tun : tuns_)
            surroundings.tuns.push_back(tun.section);
        PeerChecks checks(std::move(surroundings));
        for (auto& peer : peers_)
            checks.check(peer);
    }

    void move_to(Configuration& configuration) {
        for (auto& port : ports_) {
            configuration.dataplane.ports.push_back(port.section.settings);
            configuration.ports.push_back(std::move(port.section));
        }
        for (auto& tun : tuns_) {
            configuration.dataplane.instances.push_back({tun.section.queues});
            configuration.tuns.push_back(std::move(tun.section));
        }
        for (auto& listen : listens_)
            configuration.listens.push_back(std::move(listen.section));
        for (auto& peer : peers_)
            configuration.peers.push_back(std::move(peer.section));
    }

  private:
    void require_some(const TableReader& root) const {
        if (!root.has("port"))
            root.complain("port", "is missing",
                          "add a [[port]] with its device: where the outer packets come and go");
        if (!root.has("tun"))
            root.complain("tun", "is missing", "add a [[tun]] with its name: where the inner packets come and go");
        if (!root.has("listen") && peers_.empty())
            root.complain("listen", "is missing, and no peer has an endpoint",
                          "add a [[listen]], so that peers can call, or an endpoint to a peer");
    }

    std::vector<PortDraft> ports_;
    std::vector<TunDraft> tuns_;
    std::vector<ListenDraft> listens_;
    std::vector<PeerDraft> peers_;
};

std::vector<ConfigurationError> only_error(const std::filesystem::path& file, std::uint32_t line,
                                           std::string problem, std::string advice) {
    return {{{file.string(), line}, "", std::move(problem), std::move(advice)}};
}

} // namespace

std::string RemoteEndpoint::text() const {
    const bool v6 = host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string ConfigurationError::text() const {
    std::string out = position.file;
    if (position.line != 0)
        out += ":" + std::to_string(position.line);
    if (!out.empty())
        out += ": ";
    if (!key.empty())
        out += key + ": ";
    return out + problem + "; " + advice;
}

std::expected<Configuration, std::vector<ConfigurationError>>
parse_configuration(std::string_view text, const std::filesystem::path& file) {
    toml::table table;
    try {
        table = toml::parse(text, file.string());
    } catch (const toml::parse_error& error) {
        return std::unexpected(only_error(file, error.source().begin.line, std::string(error.description()),
                                          "mend the TOML here: what follows hasn't been read"));
    }
    const std::filesystem::path folder = std::filesystem::absolute(file).parent_path();
    Problems problems(file.string());
    TableReader root(table, "", problems);
    Configuration configuration;
    if (!root.has("gateway")) {
        root.complain("gateway", "is missing", "begin with [gateway] and its name = \"…\"");
        root.any("gateway");
    } else {
        auto gateway = single_table(root, problems, "gateway");
        configuration.gateway = read_gateway(gateway, folder);
    }
    auto control = single_table(root, problems, "control");
    configuration.control = read_control(control);
    auto dataplane = single_table(root, problems, "dataplane");
    configuration.dataplane = read_dataplane(dataplane);
    Lists lists(root, problems, folder, !configuration.gateway.certificate.empty());
    root.refuse_unknown_keys();
    if (!problems.none())
        return std::unexpected(problems.take());
    lists.move_to(configuration);
    return configuration;
}

std::expected<Configuration, std::vector<ConfigurationError>>
read_configuration(const std::filesystem::path& file) {
    const auto text = read_whole_file(file, largest_file);
    if (!text)
        return std::unexpected(only_error(file, 0, std::string("can't be read: ") + std::strerror(text.error()),
                                          "give the configuration file's path, like /etc/culvert/culvert.toml"));
    return parse_configuration(*text, file);
}

} // namespace culvert::control
