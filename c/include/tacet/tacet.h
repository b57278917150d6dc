/* All of tacet's C interface. */
#ifndef TACET_TACET_H
#define TACET_TACET_H

#include <tacet/base.h>
#include <tacet/blocking.h>
#include <tacet/buffer.h>
#include <tacet/buffer_ring.h>
#include <tacet/context.h>
#include <tacet/descriptor.h>
#include <tacet/dispatcher.h>
#include <tacet/executor.h>
#include <tacet/file.h>
#include <tacet/futex.h>
#include <tacet/handover.h>
#include <tacet/multishot.h>
#include <tacet/notify.h>
#include <tacet/op.h>
#include <tacet/process.h>
#include <tacet/signal.h>
#include <tacet/socket.h>
#include <tacet/steps.h>
#include <tacet/switcher.h>
#include <tacet/sync.h>
#include <tacet/task.h>
#include <tacet/time.h>
#include <tacet/xattr.h>

#endif
