/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The life of guest-provided VMSAs, as an exhaustive model for spin.
 *
 * The tasks, in all interleavings:
 *  - vcpu:    two of them, which share one page: taking on the VMSA, the run loop
 *             of vcpu_enter_guest(), KVM_REQ_VMSA_PAGE_RELOAD and the reload
 *  - puncher: PUNCH_HOLE, then close of the guest_memfd: each of them
 *             kvm_gmem_invalidate_begin() with sev_gmem_invalidate_range(),
 *             the memory is freed, kvm_gmem_invalidate_end()
 *  - kicker:  kvm_vcpu_kick() of the first vCPU by somebody else, which does not
 *             wait
 *
 * What may never happen:
 *  - a page is returned to the host while a CPU is in the guest on it
 *    (RMPUPDATE would say FAIL_INUSE),
 *  - a CPU enters the guest on a page that has been returned, or without VMSA,
 *  - a vCPU is left with nothing to do while its VMSA could be resolved,
 *  - the index of VMSAs is changed while somebody else walks or changes it.
 *
 * spin explores sequentially consistent executions.  Where code relies on a
 * barrier, taking the barrier away is modelled as both orders being possible.
 *
 * Each step of the protocol can be left out with -DNO_<STEP>, see the names
 * below; "run", beside this file, runs the model whole and without each of them,
 * which has to fail.  With -DLOCKLESS there is no index: the hook looks at each
 * vCPU, which writes its GPA without mmu_lock.
 */

#define VCPUS	2
#define ROUNDS	2		/* invalidations, the last one closes the file */
#define PAGES	5		/* the first, one more for each round, one to spare */
#define NONE	255		/* INVALID_PAGE */

mtype = { OUTSIDE, IN, EXITING };

/* virt/kvm: guarded by mmu_lock */
byte	mmu_readers;
bool	mmu_writer;
byte	in_progress;
byte	seq;

/* guest_memfd: the page that backs the GPA, NONE is a hole */
byte	cache = 0;
byte	fresh = 1;		/* the next page of the page allocator */
bool	freed[PAGES];
bool	closed;			/* slot->gmem.file is NULL */

/* The index, and the GPA with it: is the VMSA of this vCPU in there? */
bool	tracked[VCPUS];
byte	index_users;		/* tasks that walk or change it */

/* struct kvm_vcpu, written by the vCPU only but for the request and the mode */
bool	request[VCPUS];		/* KVM_REQ_VMSA_PAGE_RELOAD */
mtype	mode[VCPUS] = OUTSIDE;
byte	vmsa_pa[VCPUS] = NONE;	/* control.vmsa_pa */

/* the CPUs, one for each vCPU */
byte	in_use[VCPUS] = NONE;	/* the VMSA that the CPU is in the guest on */
bool	irqs_off[VCPUS];	/* from before IN_GUEST_MODE until after the VM-Exit */
bool	ipi[VCPUS];		/* pending */
bool	punched;		/* all invalidations are through */

#define read_lock()	atomic { !mmu_writer -> mmu_readers++ }
#define read_unlock()	mmu_readers--
#define write_lock()	atomic { !mmu_writer && mmu_readers == 0 -> mmu_writer = true }
#define write_unlock()	mmu_writer = false

inline use_index()
{
	atomic {
#ifndef LOCKLESS
		index_users++;
		assert(index_users == 1);
#endif
		skip
	}
}

inline leave_index()
{
	atomic {
#ifndef LOCKLESS
		index_users--;
#endif
		skip
	}
}

/* sev_snp_track_vmsa() */
inline track(on)
{
#if !defined(LOCKLESS) && !defined(NO_INDEX_LOCK)
	write_lock();
#endif
	use_index();
#ifndef NO_RECORD_GPA
	tracked[id] = on;
#endif
	leave_index();
#if !defined(LOCKLESS) && !defined(NO_INDEX_LOCK)
	write_unlock();
#endif
}

/*
 * kvm_gmem_find_pfn(): fails if the file has been closed. A hole is one that
 * another vCPU's fault has filled by then, or there would be nothing to see.
 */
inline lookup()
{
	atomic {
		if
		:: closed -> page = NONE
		:: else ->
			if
			:: cache == NONE -> cache = fresh; fresh++
			:: else
			fi;
			page = cache
		fi
	}
}

inline snapshot()
{
#ifdef NO_SNAPSHOT
	skip
#else
	mmu_seq = seq
#endif
}

inline reload()
{
#ifndef NO_CLEAR_VMSA
	vmsa_pa[id] = NONE;
#endif
#ifdef NO_RMB
	if
	:: true -> snapshot(); lookup()
	:: true -> lookup(); snapshot()
	fi;
#else
	snapshot();
	lookup();
#endif
	if
	:: page == NONE
	:: else ->
		read_lock();
#ifdef NO_SNAPSHOT
		mmu_seq = seq;
#endif
#ifdef NO_RETRY
		vmsa_pa[id] = page;
#else
		if
		:: in_progress > 0 || seq != mmu_seq ->
#ifdef NO_REREQUEST
			skip
#else
			request[id] = true
#endif
		:: else ->
			vmsa_pa[id] = page
#ifdef NO_RECORD_GPA_ON_COMMIT
			; tracked[id] = false
#endif
		fi;
#endif
		read_unlock()
	fi;
#ifdef NO_GPA_FIRST
	if
	:: !tracked[id] -> track(true)
	:: else
	fi;
#endif
}

active [VCPUS] proctype vcpu()
{
	byte id, page, mmu_seq;
	bool early;

	id = _pid;
	/* Takes on its VMSA, and has it loaded. */
#ifndef NO_GPA_FIRST
	track(true);
#endif
	request[id] = true;

enter:	/* bounded by what the others do: nobody re-enters for nothing */
	if
	:: request[id] -> request[id] = false; reload()
	:: else
	fi;

	irqs_off[id] = true;
#ifdef NO_MODE_BARRIER
	if
	:: true -> mode[id] = IN; early = request[id]
	:: true -> early = request[id]; mode[id] = IN
	fi;
#else
	mode[id] = IN;
	early = request[id];
#endif
	if
	:: early || mode[id] == EXITING ->
		atomic { mode[id] = OUTSIDE; irqs_off[id] = false; early = false };
		goto enter
	:: else
	fi;

#ifndef NO_ENTRY_CHECK
	if
	:: vmsa_pa[id] == NONE ->
		/* KVM_RUN may fail only if there is no VMSA to be had. */
		assert(closed);
		atomic { mode[id] = OUTSIDE; irqs_off[id] = false };
		goto done
	:: else
	fi;
#endif
	/* VMRUN: the CPU reads the VMCB and marks the VMSA as in use, at once. */
	atomic {
		assert(vmsa_pa[id] != NONE);
		assert(!freed[vmsa_pa[id]]);
		in_use[id] = vmsa_pa[id]
	}
	/* The guest spins: only an interrupt makes it exit, or nothing ever. */
	if
	:: ipi[id]
	:: punched && !ipi[id]
	fi;
	in_use[id] = NONE;
	atomic { mode[id] = OUTSIDE; irqs_off[id] = false };
	if
	:: punched && !request[id] -> skip
	:: else -> goto enter
	fi;
done:	skip
}

/* A CPU takes an IPI when interrupts are on; in the guest it exits first. */
active proctype irq()
{
end:	do
	:: atomic { ipi[0] && !irqs_off[0] -> ipi[0] = false }
	:: atomic { ipi[1] && !irqs_off[1] -> ipi[1] = false }
	od
}

/* kvm_vcpu_kick(): sends its IPI only if it finds the vCPU IN_GUEST_MODE */
active proctype kicker()
{
	if
	:: atomic { mode[0] == IN -> mode[0] = EXITING };
	   ipi[0] = true
	:: skip
	fi
}

/* The request, and who needs an IPI: KVM_REQ_OUTSIDE_GUEST_MODE. */
inline request_vcpu(v)
{
	if
	:: tracked[v] ->
#ifndef NO_REQUEST
		request[v] = true;
#endif
		atomic {
			if
#ifdef KICK_IN_GUEST_ONLY
			:: mode[v] == IN -> needs_ipi[v] = true
#else
			:: mode[v] != OUTSIDE -> needs_ipi[v] = true
#endif
			:: else
			fi;
			if
			:: mode[v] == IN -> mode[v] = EXITING
			:: else
			fi
		}
	:: else
	fi
}

inline invalidate_hook()
{
	use_index();
	request_vcpu(0);
#ifdef NO_SECOND_HIT
	if
	:: !tracked[0] -> request_vcpu(1)
	:: else
	fi;
#else
	request_vcpu(1);
#endif
	leave_index();
#ifndef NO_KICK
	/* smp_call_function_many(wait) */
	atomic {
		ipi[0] = ipi[0] || needs_ipi[0];
		ipi[1] = ipi[1] || needs_ipi[1]
	};
#ifndef NO_WAIT
	(!needs_ipi[0] || !ipi[0]) && (!needs_ipi[1] || !ipi[1]);
#endif
#endif
	atomic { needs_ipi[0] = false; needs_ipi[1] = false }
}

active proctype puncher()
{
	byte round, old;
	bool needs_ipi[VCPUS];

	do
	:: round < ROUNDS ->
		/* The last one is kvm_gmem_release(), not PUNCH_HOLE. */
		if
		:: round == ROUNDS - 1 -> closed = true
		:: else
		fi;
		write_lock();
		in_progress++;
#ifndef NO_HOOK
		invalidate_hook();
#endif
		write_unlock();

		/* truncate_inode_pages_range(), kvm_arch_gmem_invalidate() */
		atomic {
			old = cache;
			cache = NONE;
			if
			:: old != NONE ->
				assert(in_use[0] != old && in_use[1] != old);
				freed[old] = true
			:: else
			fi
		};

		write_lock();
		seq++;
		in_progress--;
		write_unlock();
		round++
	:: else -> break
	od;
	punched = true
}
