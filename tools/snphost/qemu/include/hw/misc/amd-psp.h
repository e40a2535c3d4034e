/*
 * AMD security processor (PSP), the part that the x86 processors see
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_MISC_AMD_PSP_H
#define HW_MISC_AMD_PSP_H

#include "hw/misc/amd-sev-fw.h"
#include "hw/pci/pci.h"
#include "qom/object.h"

/*
 * Properties: links "rmp" to the machine's RMP (without it there is SEV and
 * SEV-ES only) and "iommu" to its IOMMU; "max-asid", the highest ASID of a
 * guest.
 */
#define TYPE_AMD_PSP "amd-psp"
OBJECT_DECLARE_SIMPLE_TYPE(AmdPsp, AMD_PSP)

struct AmdPsp {
    PCIDevice parent_obj;

    MemoryRegion mmio;
    QEMUTimer *timer;           /* goes on with a command that is pending */
    uint32_t cmdresp;
    uint32_t cmdbuf_lo;
    uint32_t cmdbuf_hi;
    uint32_t int_enable;
    uint32_t int_status;

    SevFw fw;
};

#endif /* HW_MISC_AMD_PSP_H */
