/*
 * The platform of an AMD SEV-SNP host
 *
 * What the machine property "snp-host" of q35 turns on besides the CPUs: the
 * reverse map table's place in RAM, the security processor and the IOMMU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_I386_SNP_HOST_H
#define HW_I386_SNP_HOST_H

#include "exec/hwaddr.h"
#include "hw/boards.h"
#include "hw/i386/pc.h"
#include "hw/qdev-core.h"

/**
 * snp_host_add_property: give a machine type the property "snp-host"
 * @mc: a PC machine class that calls the functions below from its init
 */
void snp_host_add_property(MachineClass *mc);

/**
 * snp_host_create_rmp: create the reverse map table if "snp-host" is on
 * @pcms: the machine, before its CPUs are created
 *
 * Sets @pcms->rmp, or exits with a message if the accelerator cannot do it.
 */
void snp_host_create_rmp(PCMachineState *pcms);

/**
 * snp_host_plug_cpu: make a CPU one of the SNP host
 * @pcms: the machine
 * @cpu: an X86CPU that is about to be realized
 * @errp: set if the CPU model lacks what SNP builds on
 */
void snp_host_plug_cpu(PCMachineState *pcms, DeviceState *cpu, Error **errp);

/**
 * snp_host_reserve_rmp: choose the place of the reverse map table
 * @pcms: the machine, with the size and place of its RAM decided
 *
 * The table is put at the top of the RAM below 4G and reserved in the e820
 * map.  Exits with a message if it does not fit.
 *
 * Returns: the end of the low RAM that is left for software, in bytes; all of
 * it if "snp-host" is off.
 */
hwaddr snp_host_reserve_rmp(PCMachineState *pcms);

/**
 * snp_host_create_devices: add the security processor and the IOMMU
 * @pcms: the machine, with its PCI bus
 *
 * Does nothing if "snp-host" is off.
 */
void snp_host_create_devices(PCMachineState *pcms);

#endif /* HW_I386_SNP_HOST_H */
