/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The life of a guest-provided VMSA, as an exhaustive model for spin.
 *
 * The tasks, in all interleavings:
 *  - vcpu:    the run loop of vcpu_enter_guest(), KVM_REQ_VMSA_PAGE_RELOAD and
 *             __sev_snp_reload_vmsa()
 *  - puncher: PUNCH_HOLE twice, then close of the guest_memfd: each of them
 *             kvm_gmem_invalidate_begin() with sev_gmem_invalidate_range(),
 *             the memory is freed, kvm_gmem_invalidate_end()
 *  - kicker:  kvm_vcpu_kick() by somebody else, which does not wait
 *
 * What may never happen:
 *  - a page is returned to the host while a CPU is in the guest on it
 *    (RMPUPDATE would say FAIL_INUSE),
 *  - a CPU enters the guest on a page that has been returned, or without VMSA,
 *  - the vCPU is left with nothing to do while its VMSA could be resolved.
 *
 * spin explores sequentially consistent executions.  Where code relies on a
 * barrier, taking the barrier away is modelled as both orders being possible.
 *
 * Each step of the protocol can be left out with -DNO_<STEP>, see the names
 * below; "run", beside this file, runs the model whole and without each of them,
 * which has to fail.
 */

#define ROUNDS	3		/* invalidations, the last one closes the file */
#define PAGES	5		/* the first, one more for each round, one to spare */
#define NONE	255		/* INVALID_PAGE, and "no GPA" */
#define GPA	7		/* the only GPA that matters */

mtype = { OUTSIDE, IN, EXITING };

/* virt/kvm: guarded by mmu_lock */
byte	mmu_readers;
bool	mmu_writer;
byte	in_progress;
byte	seq;

/* guest_memfd: the page that backs GPA, NONE is a hole */
byte	cache = 0;
byte	fresh = 1;		/* the next page of the page allocator */
bool	freed[PAGES];
bool	closed;			/* slot->gmem.file is NULL */

/* struct kvm_vcpu, written by the vCPU only but for the request and the mode */
bool	request;		/* KVM_REQ_VMSA_PAGE_RELOAD */
mtype	mode = OUTSIDE;
byte	guest_gpa = GPA;	/* snp_guest_vmsa_gpa */
byte	vmsa_pa = 0;		/* control.vmsa_pa */

/* the CPU */
bool	in_guest;
byte	in_use = NONE;		/* VMSA that the CPU runs on */
bool	irqs_off;		/* from before IN_GUEST_MODE until after the VM-Exit */
bool	ipi;			/* pending */
bool	failed;			/* KVM_RUN ended with KVM_EXIT_FAIL_ENTRY */
bool	punched;		/* all invalidations are through */

#define read_lock()	atomic { !mmu_writer -> mmu_readers++ }
#define read_unlock()	mmu_readers--
#define write_lock()	atomic { !mmu_writer && mmu_readers == 0 -> mmu_writer = true }
#define write_unlock()	mmu_writer = false

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
	gpa = guest_gpa;
#ifndef NO_CLEAR_VMSA
	vmsa_pa = NONE;
#endif
#if defined(NO_RECORD_GPA) || defined(NO_GPA_FIRST)
	guest_gpa = NONE;
#endif
	if
	:: gpa == NONE
	:: else ->
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
		:: page == NONE -> goto reloaded
		:: else
		fi;
		read_lock();
#ifdef NO_SNAPSHOT
		mmu_seq = seq;
#endif
#ifdef NO_RETRY
		vmsa_pa = page;
#else
		if
		:: in_progress > 0 || seq != mmu_seq ->
#ifdef NO_REREQUEST
			skip
#else
			request = true
#endif
		:: else ->
			vmsa_pa = page
#ifdef NO_RECORD_GPA_ON_COMMIT
			; guest_gpa = NONE
#endif
		fi;
#endif
		read_unlock();
#ifdef NO_GPA_FIRST
		guest_gpa = gpa
#endif
	fi;
reloaded:
	skip
}

active proctype vcpu()
{
	byte gpa, page, mmu_seq;
	bool early;

enter:	/* bounded by what the others do: nobody re-enters for nothing */
	if
	:: request -> request = false; reload()
	:: else
	fi;

	irqs_off = true;
#ifdef NO_MODE_BARRIER
	if
	:: true -> mode = IN; early = request
	:: true -> early = request; mode = IN
	fi;
#else
	mode = IN;
	early = request;
#endif
	if
	:: early || mode == EXITING ->
		mode = OUTSIDE;
		irqs_off = false;
		goto enter
	:: else
	fi;

#ifndef NO_ENTRY_CHECK
	if
	:: vmsa_pa == NONE ->
		failed = true;
		mode = OUTSIDE;
		irqs_off = false;
		goto done
	:: else
	fi;
#endif
	/* VMRUN: the CPU reads the VMCB and marks the VMSA as in use, at once. */
	atomic {
		assert(vmsa_pa != NONE);
		assert(!freed[vmsa_pa]);
		in_use = vmsa_pa;
		in_guest = true
	}
	/* The guest spins: only an interrupt makes it exit, or nothing ever. */
	if
	:: ipi
	:: punched && !ipi
	fi;
	atomic {
		in_guest = false;
		in_use = NONE
	}
	mode = OUTSIDE;
	irqs_off = false;
	if
	:: punched && !request -> skip
	:: else -> goto enter
	fi;
done:	/* KVM_RUN may fail only if there is no VMSA to be had. */
	assert(!failed || closed)
}


/* The CPU takes an IPI when interrupts are on; in the guest it exits first. */
active proctype irq()
{
end:	do
	:: atomic { ipi && !irqs_off -> ipi = false }
	od
}

/* kvm_vcpu_kick(): sends its IPI only if it finds the vCPU IN_GUEST_MODE */
active proctype kicker()
{
	if
	:: atomic { mode == IN -> mode = EXITING };
	   ipi = true
	:: skip
	fi
}

inline invalidate_hook()
{
	if
	:: guest_gpa == GPA ->
#ifndef NO_REQUEST
		request = true;
#endif
#ifndef NO_KICK
		/* KVM_REQ_OUTSIDE_GUEST_MODE */
		atomic {
			seen = mode;
			if
			:: mode == IN -> mode = EXITING
			:: else
			fi
		};
		if
#ifdef KICK_IN_GUEST_ONLY
		:: seen == IN ->
#else
		:: seen != OUTSIDE ->
#endif
			ipi = true;
#ifndef NO_WAIT
			!ipi		/* smp_call_function_many(wait) */
#endif
		:: else
		fi
#endif
		skip
	:: else
	fi
}

active proctype puncher()
{
	byte round, old;
	mtype seen;

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
				assert(!(in_guest && in_use == old));
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
