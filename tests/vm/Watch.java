/* SPDX-License-Identifier: LGPL-2.1-or-later */
import static java.nio.file.StandardWatchEventKinds.*;
import java.nio.file.*;
import java.util.*;

/* Watch DIR: prints each event of the directory and of those that are made below it. */
public class Watch {
	static final Map<WatchKey, Path> paths = new HashMap<>();
	static WatchService service;

	static void add(Path dir) throws Exception {
		paths.put(dir.register(service, ENTRY_CREATE, ENTRY_MODIFY, ENTRY_DELETE), dir);
		try (DirectoryStream<Path> entries = Files.newDirectoryStream(dir)) {
			for (Path path : entries) {
				System.out.println("java has " + path);
				if (Files.isDirectory(path))
					add(path);
			}
		}
	}

	public static void main(String[] args) throws Exception {
		service = FileSystems.getDefault().newWatchService();
		add(Path.of(args[0]));
		System.out.println("java ready");
		for (WatchKey key;; key.reset()) {
			key = service.take();
			for (WatchEvent<?> event : key.pollEvents()) {
				Path path = paths.get(key).resolve(event.context().toString());
				System.out.println("java " + event.kind() + " " + path);
				if (event.kind() == ENTRY_CREATE && Files.isDirectory(path))
					add(path);
			}
		}
	}
}
