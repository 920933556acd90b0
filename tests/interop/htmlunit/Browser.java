// Visits addresses in one browser as the conformance suite of the OpenID Foundation does: HtmlUnit under Selenium, told by the
// "browser" block of the suite's configuration what to type and to click. Says where each visit ended.

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.regex.Pattern;
import org.htmlunit.HttpMethod;
import org.htmlunit.WebClient;
import org.htmlunit.WebRequest;
import org.openqa.selenium.By;
import org.openqa.selenium.NoSuchElementException;
import org.openqa.selenium.WebElement;
import org.openqa.selenium.htmlunit.HtmlUnitDriver;
import org.openqa.selenium.support.ui.ExpectedConditions;
import org.openqa.selenium.support.ui.WebDriverWait;

public class Browser extends HtmlUnitDriver {
    Browser() {
        super(true);
    }

    @Override
    protected WebClient modifyWebClient(WebClient client) {
        client.getOptions().setUseInsecureSSL(true);
        client.getOptions().setThrowExceptionOnScriptError(false);
        client.getOptions().setThrowExceptionOnFailingStatusCode(false);
        return client;
    }

    // Each line asks for visits, and says what automation they go by and whether the browser is the one of the line before.
    public static void main(String[] arguments) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Browser browser = new Browser();
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            JsonObject asked = new Gson().fromJson(line, JsonObject.class);
            JsonArray told = new JsonArray();
            if (!asked.get("same").getAsBoolean()) {
                browser.quit();
                browser = new Browser();
            }
            for (JsonElement visit : asked.getAsJsonArray("visits")) {
                told.add(browser.visited(visit.getAsJsonObject(), asked.getAsJsonArray("browser")));
            }
            System.out.println("told " + told);
        }
        System.exit(0);
    }

    JsonObject visited(JsonObject visit, JsonArray blocks) {
        JsonObject end = new JsonObject();
        String url = visit.get("url").getAsString();
        try {
            open(url, visit.get("method").getAsString());
            JsonArray done = new JsonArray();
            end.add("done", done);
            for (JsonElement one : tasksFor(url, blocks)) {
                JsonObject task = one.getAsJsonObject();
                if (matches(task, getCurrentUrl())) {
                    done.add(task.get("task"));
                    JsonArray commands = task.getAsJsonArray("commands");
                    for (JsonElement command : commands == null ? new JsonArray() : commands) {
                        obey(command.getAsJsonArray());
                    }
                } else if (!task.has("optional")) {
                    throw new IllegalStateException(task.get("task") + " found the browser at " + getCurrentUrl());
                }
            }
        } catch (Exception failure) {
            end.addProperty("failure", String.valueOf(failure));
        }
        end.addProperty("url", getCurrentUrl());
        end.addProperty("page", getPageSource());
        return end;
    }

    void open(String url, String method) throws Exception {
        if (method.equals("GET")) {
            get(url);
            return;
        }
        URI whole = URI.create(url);
        WebRequest request = new WebRequest(
            new URI(whole.getScheme(), whole.getAuthority(), whole.getPath(), null, null).toURL(), HttpMethod.POST);
        request.setAdditionalHeader("Content-Type", "application/x-www-form-urlencoded");
        request.setRequestBody(whole.getRawQuery());
        getWebClient().getPage(request);
    }

    static JsonArray tasksFor(String url, JsonArray blocks) {
        for (JsonElement block : blocks) {
            if (matches(block.getAsJsonObject(), url)) {
                return block.getAsJsonObject().getAsJsonArray("tasks");
            }
        }
        throw new IllegalStateException("nothing says what to do at " + url);
    }

    static boolean matches(JsonObject said, String url) {
        String pattern = said.has("match") ? said.get("match").getAsString() : "*";
        return url.matches(("\\Q" + pattern.replace("*", "\\E.*\\Q") + "\\E"));
    }

    void obey(JsonArray command) {
        String last = command.get(command.size() - 1).getAsString();
        By by = by(command.get(1).getAsString(), command.get(2).getAsString());
        try {
            switch (command.get(0).getAsString()) {
                case "text" -> {
                    WebElement field = findElement(by);
                    field.clear();
                    field.sendKeys(command.get(3).getAsString());
                }
                case "click" -> findElement(by).click();
                case "wait" -> {
                    WebDriverWait waiting = new WebDriverWait(this, Duration.ofSeconds(60), Duration.ofMillis(100));
                    if (command.size() > 4) {
                        waiting.until(ExpectedConditions.textMatches(by, Pattern.compile(command.get(4).getAsString())));
                    } else {
                        waiting.until(ExpectedConditions.presenceOfElementLocated(by));
                    }
                }
                default -> throw new IllegalArgumentException(command.toString());
            }
        } catch (NoSuchElementException absent) {
            if (!last.equals("optional")) {
                throw absent;
            }
        }
    }

    static By by(String kind, String target) {
        return switch (kind) {
            case "id" -> By.id(target);
            case "name" -> By.name(target);
            case "css" -> By.cssSelector(target);
            case "xpath" -> By.xpath(target);
            default -> throw new IllegalArgumentException(kind);
        };
    }
}
