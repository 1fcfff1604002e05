#pragma once

#include <vector>

/// rte_eth's receive interrupts work with none of the drivers for kernel interfaces (af_packet, af_xdp, tap).
/// Their sockets can be polled all the same, once they are found among this process's descriptors.
namespace culvert::dataplane {

/// All descriptors of this process that are packet or XDP sockets or tap queues, ascending.
std::vector<int> pmd_descriptors();

/// Those in `after` but not in `before`.
std::vector<int> new_descriptors(const std::vector<int>& before, const std::vector<int>& after);

/// Drivers open a queue's descriptor in the order of the queues: the last `queues.size()` of `found` are theirs.
/// False: there are too few, so this device has to be polled.
bool assign_descriptors(const std::vector<int>& found, std::vector<std::vector<int>>& queues);

} // namespace culvert::dataplane
