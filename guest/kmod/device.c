// SPDX-License-Identifier: GPL-2.0-only
/* /dev/hostwatch: checks who may open it, binds it to a mount, and accepts the frames written to
 * it. Nothing here asks the server: see jobs.c. */
#include "hostwatch.h"

#include "compat.h"
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

static const char *const counter_names[HW_COUNTERS] = {
	[HW_TAKEN] = "taken",     [HW_REFUSED] = "refused",   [HW_TOLD] = "delivered",
	[HW_OWN] = "own",         [HW_IDLE] = "idle",         [HW_MISSED] = "missed",
	[HW_LOOKUPS] = "lookups", [HW_GETATTRS] = "getattrs", [HW_FORGOTTEN] = "forgotten",
	[HW_LOST] = "lost",
};

static u64 seen(struct hw_file *f)
{
	return atomic64_read(&f->counters[HW_TAKEN]) + atomic64_read(&f->counters[HW_REFUSED]);
}

/* Every mount keeps its file system active, including the clones of this module. */
static DEFINE_SPINLOCK(bound_lock);
static LIST_HEAD(bound);
static int bound_count;

static void set_bound(struct hw_file *f, bool is_bound)
{
	spin_lock(&bound_lock);
	if (is_bound)
		list_add(&f->bound, &bound);
	else
		list_del(&f->bound);
	WRITE_ONCE(bound_count, bound_count + (is_bound ? 1 : -1));
	spin_unlock(&bound_lock);
}

/* Returns whether only mounts of this module are left. While another mount is created or removed,
 * the result may be false. */
static bool is_gone(const struct super_block *sb)
{
	const struct hw_file *f;
	int ours = 0;

	if (atomic_read(&sb->s_active) > READ_ONCE(bound_count))
		return false;
	spin_lock(&bound_lock);
	list_for_each_entry(f, &bound, bound)
		ours += f->mnt->mnt_sb == sb;
	spin_unlock(&bound_lock);
	return atomic_read(&sb->s_active) <= ours;
}

void hw_unbind(struct hw_file *f)
{
	struct vfsmount *mnt = f->mnt;

	if (!mnt)
		return;
	mutex_lock(&f->queue_lock);
	set_bound(f, false);
	f->mnt = NULL;
	mutex_unlock(&f->queue_lock);
	hw_echo_stop(f->echo);
	f->echo = NULL;
	hw_forget_ends(f);
	kern_unmount(mnt);
}

static void free_file(struct hw_file *f)
{
	hw_jobs_free(f);
	kvfree(f->asked);
	put_cred(f->cred);
	kfree(f);
}

static void work_on_close(struct work_struct *work)
{
	struct hw_file *f = container_of(work, struct hw_file, close_work);

	flush_work(&f->jobs.work); /* the program takes what it wrote for delivered */
	cancel_work_sync(&f->jobs.work); /* it queues itself when the mount is gone */
	cancel_delayed_work_sync(&f->ends_work);
	hw_unbind(f);
	free_file(f);
}

static int device_open(struct inode *inode, struct file *file)
{
	struct hw_file *f;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	if (!f)
		return -ENOMEM;
	f->cred = get_cred(file->f_cred);
	f->asked = kvcalloc(HW_ASKED_MAX, sizeof(*f->asked), GFP_KERNEL_ACCOUNT);
	if (hw_jobs_init(f) < 0 || !f->asked) {
		free_file(f);
		return -ENOMEM;
	}
	mutex_init(&f->lock);
	mutex_init(&f->queue_lock);
	init_waitqueue_head(&f->wait);
	INIT_WORK(&f->close_work, work_on_close);
	hw_watched_init(f);
	file->private_data = f;
	return 0;
}

/* A process that ends does not wait for the server. */
static int device_release(struct inode *inode, struct file *file)
{
	struct hw_file *f = file->private_data;

	WRITE_ONCE(f->closed, true);
	queue_work(hw_workqueue, &f->close_work);
	return 0;
}

/* Uses a private clone of the mount, which keeps the file system active and leaves the mount free
 * to be unmounted. Nothing is mounted on the clone, so no path leads out of it. */
static int bind(struct hw_file *f, const struct path *root)
{
	struct vfsmount *mnt;
	int r;

	if (!d_is_dir(root->dentry))
		return -ENOTDIR;
	if (root->dentry != root->mnt->mnt_root)
		return -EINVAL;
	if (!hw_sb_revalidates(root->dentry->d_sb))
		return -EOPNOTSUPP;
	mnt = clone_private_mount(root);
	if (IS_ERR(mnt)) /* the kernel's -EINVAL has reasons of its own */
		return mnt == ERR_PTR(-EINVAL) ? -EXDEV : PTR_ERR(mnt);
	f->echo = hw_echo_start(mnt, &f->counters[HW_FORGOTTEN]);
	if (IS_ERR(f->echo)) {
		r = PTR_ERR(f->echo);
		f->echo = NULL;
		kern_unmount(mnt);
		return r;
	}
	f->mnt = mnt;
	set_bound(f, true);
	return 0;
}

static int bind_to(struct hw_file *f, const s32 __user *arg)
{
	struct file *root;
	s32 fd;
	int r;

	if (get_user(fd, arg))
		return -EFAULT;
	root = fget_raw(fd);
	if (!root)
		return -EBADF;
	r = mutex_lock_killable(&f->queue_lock);
	if (r == 0) {
		r = f->mnt || f->gone ? -EBUSY : bind(f, &root->f_path);
		mutex_unlock(&f->queue_lock);
	}
	fput(root);
	return r;
}

/* Leaving the mount may wait for the server. */
int hw_check_mount(struct hw_file *f)
{
	if (f->gone)
		return -ENODEV;
	if (!f->mnt)
		return -ENOTCONN;
	if (is_gone(f->mnt->mnt_sb)) {
		f->gone = true;
		queue_work(hw_workqueue, &f->jobs.work);
		return -ENODEV;
	}
	return 0;
}

static long copy_seen(struct hw_file *f, void __user *arg)
{
	struct hw_guest_buffer buffer;

	if (copy_from_user(&buffer, arg, sizeof(buffer)))
		return -EFAULT;
	return buffer.reserved ? -EINVAL : hw_copy_seen(f, &buffer);
}

static long copy_watched(struct hw_file *f, void __user *arg)
{
	struct hw_guest_watched watched;
	long r;

	if (copy_from_user(&watched, arg, sizeof(watched)))
		return -EFAULT;
	if (watched.reserved || watched.size > HW_GUEST_WATCHED_MAX)
		return -EINVAL;
	r = hw_copy_watched(f, &watched);
	if (r >= 0 && copy_to_user(arg, &watched, sizeof(watched)))
		r = -EFAULT;
	return r;
}

/* Reads the path into the job. */
static int copy_path(struct hw_job *job, const struct hw_guest_buffer *path)
{
	if (copy_from_user(job->data, u64_to_user_ptr(path->data), path->size))
		return -EFAULT;
	job->is_refresh = true;
	return path->size == 0 || hw_is_path(job->data, path->size) ? 0 : -EBADMSG;
}

static long refresh(struct hw_file *f, void __user *arg)
{
	struct hw_guest_buffer path;
	struct hw_job *job;
	u64 number;
	int r;

	if (copy_from_user(&path, arg, sizeof(path)))
		return -EFAULT;
	if (path.reserved)
		return -EINVAL;
	if (path.size > HW_PATH_MAX)
		return -EBADMSG;
	job = hw_job_new(path.size);
	if (!job)
		return -ENOMEM;
	r = copy_path(job, &path);
	if (r < 0) {
		hw_job_free(job);
		return r;
	}
	r = hw_job_add(f, job, &number);
	return r < 0 ? r : hw_job_wait(f, number);
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct hw_file *f = file->private_data;
	long r;

	if (cmd != HW_BIND && cmd != HW_GET_SEEN && cmd != HW_GET_WATCHED && cmd != HW_REFRESH)
		return -ENOTTY;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (cmd == HW_BIND)
		return bind_to(f, (const s32 __user *)arg);
	r = mutex_lock_interruptible(&f->queue_lock);
	if (r < 0)
		return r;
	r = hw_check_mount(f);
	if (r == 0 && cmd == HW_GET_SEEN)
		r = copy_seen(f, (void __user *)arg);
	else if (r == 0 && cmd == HW_GET_WATCHED)
		r = copy_watched(f, (void __user *)arg);
	mutex_unlock(&f->queue_lock);
	return r == 0 && cmd == HW_REFRESH ? refresh(f, (void __user *)arg) : r;
}

/* Returns the length of the frames before the first one that is invalid, or -EBADMSG if there are
 * none. The next call begins with that frame. */
static ssize_t valid_len(const char *frames, size_t len)
{
	unsigned int count = 0;
	struct hw_told told;
	size_t at = 0;
	int r;

	do {
		size_t frame_len = hw_frame_len(frames + at, len - at);

		r = hw_frame_read(frames + at, frame_len, &told);
		if (r == 0)
			at += frame_len;
	} while (r == 0 && at < len && ++count < HW_GUEST_SEEN_MAX);
	return at ? at : r;
}

/* The frames are accepted, whether or not they are applied soon. */
static ssize_t take(struct hw_file *f, struct hw_job *job, bool waits)
{
	ssize_t len = valid_len(job->data, job->len);
	u64 number;
	int r;

	if (len < 0) {
		hw_count(f, HW_REFUSED);
		hw_job_free(job);
		return len;
	}
	job->len = len;
	r = hw_job_add(f, job, &number);
	if (r < 0)
		return r;
	if (waits)
		(void)hw_job_wait(f, number);
	return len;
}

static ssize_t device_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct file *file = iocb->ki_filp;
	size_t len = iov_iter_count(from);
	struct hw_job *job;

	if (len > HW_GUEST_WRITE_MAX)
		return -EBADMSG;
	job = hw_job_new(len);
	if (!job)
		return -ENOMEM;
	if (!copy_from_iter_full(job->data, len, from)) {
		hw_job_free(job);
		return -EFAULT;
	}
	return take(file->private_data, job, !(file->f_flags & O_NONBLOCK));
}

static ssize_t device_read(struct file *file, char __user *buf, size_t size, loff_t *pos)
{
	struct hw_file *f = file->private_data;
	char text[HW_COUNTERS * 32];
	int i, len = 0;

	for (i = 0; i < HW_COUNTERS; i++)
		len += scnprintf(text + len, sizeof(text) - len, "%s %lld\n", counter_names[i],
				 (long long)atomic64_read(&f->counters[i]));
	atomic64_set(&f->read_at, seen(f));
	return simple_read_from_buffer(buf, size, pos, text, len);
}

static __poll_t device_poll(struct file *file, poll_table *table)
{
	struct hw_file *f = file->private_data;
	__poll_t ready = EPOLLOUT | EPOLLWRNORM;

	poll_wait(file, &f->wait, table);
	if (seen(f) != atomic64_read(&f->read_at))
		ready |= EPOLLIN | EPOLLRDNORM;
	return ready;
}

static const struct file_operations device_operations = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.write_iter = device_write,
	.read = device_read,
	.poll = device_poll,
	.llseek = default_llseek,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "hostwatch",
	.mode = 0600,
	.fops = &device_operations,
};

struct workqueue_struct *hw_workqueue;

static int __init start(void)
{
	int r;

	hw_workqueue = alloc_workqueue("hostwatch", WQ_UNBOUND, 0);
	if (!hw_workqueue)
		return -ENOMEM;
	r = hw_nobody_start();
	if (r < 0)
		goto fail_nobody;
	r = misc_register(&device);
	if (r < 0)
		goto fail_device;
	return 0;
fail_device:
	hw_nobody_stop();
fail_nobody:
	destroy_workqueue(hw_workqueue);
	return r;
}

static void __exit stop(void)
{
	misc_deregister(&device);
	destroy_workqueue(hw_workqueue); /* waits for devices that were closed */
	hw_nobody_stop();
}

module_init(start);
module_exit(stop);
MODULE_DESCRIPTION("Delivers fsnotify events for changes made on the host of a shared file system");
MODULE_VERSION(HW_VERSION);
MODULE_LICENSE("GPL");
