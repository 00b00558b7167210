// Hand-written declarations of the part of Darwin that the demo uses: the kernel's account of memory.
@_exported import Glibc

public typealias natural_t = UInt32
public typealias integer_t = Int32
public typealias mach_msg_type_number_t = UInt32
public typealias kern_return_t = Int32
public typealias task_flavor_t = UInt32
public typealias task_info_t = UnsafeMutablePointer<integer_t>
public typealias mach_port_t = UInt32
public var mach_task_self_: mach_port_t { 0 }
public var TASK_VM_INFO: Int32 { 22 }
public var KERN_SUCCESS: Int32 { 0 }
public struct task_vm_info_data_t {
  public init() {}
  public var phys_footprint: UInt64 = 0
}
public func task_info(
  _ task: mach_port_t, _ flavor: task_flavor_t, _ info: task_info_t?,
  _ count: UnsafeMutablePointer<mach_msg_type_number_t>
) -> kern_return_t { 0 }
